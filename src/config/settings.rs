//! Layers of text: flags over environment over file over default, each value with its source.

use super::options::{self, Key, Spec};
use super::providers::{self, Provider};
use super::value::ValueFault;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value came from, in falling precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Flag,
    Env(String),
    File,
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Env(name) => f.write_str(name),
            Self::File => f.write_str("file"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{}: unknown key `{key}`{}", path.display(), did_you_mean(*nearest))]
    UnknownKey { path: PathBuf, key: String, nearest: Option<&'static str> },
    #[error("{name} = {value:?} (from {source_name}): {fault}")]
    BadValue { name: &'static str, value: String, source_name: Source, fault: ValueFault },
    #[error("provider: {text}")]
    BadProvider { text: String },
    #[error("tenant {id:?}: {fault}")]
    BadTenant { id: String, fault: TenantFault },
    #[error(
        "no tenant is configured: add a [[tenant]] with id and key to the file, set \
         LEVEE_TENANT_ID and LEVEE_TENANT_KEY, or use --dev on this machine"
    )]
    NoTenant,
    #[error("--dev serves unverified tokens, so it listens on loopback only, not on {0}")]
    DevNotLoopback(std::net::SocketAddr),
}

/// What is wrong with one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantFault {
    #[error("has no id")]
    NoId,
    #[error("has no key (key or key_file)")]
    NoKey,
    #[error("is defined twice")]
    Twice,
    #[error("takes id, name, key, key2, key_file and key2_file, each a text")]
    BadKey,
}

fn did_you_mean(nearest: Option<&'static str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// A text that never reaches a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one who needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// One tenant as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: String,
    pub name: String,
    pub key: Secret,
    pub key2: Option<Secret>,
    /// Tokens are decoded without a signature check; only `--dev` makes such a tenant.
    pub unverified: bool,
}

/// Every option's text with its source, and the tenants.
#[derive(Debug)]
pub struct Settings {
    values: Vec<(&'static Spec, String, Source)>,
    pub tenants: Vec<Tenant>,
    pub providers: Vec<Provider>,
}

/// What the process was given besides the file.
#[derive(Debug, Default)]
pub struct Inputs {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// Option name to text, for the flags that were given.
    pub flags: BTreeMap<&'static str, String>,
    pub env: BTreeMap<String, String>,
    pub dev: bool,
}

impl Settings {
    /// Lays the layers over each other and checks every value.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(inputs: &Inputs) -> Result<Self, ConfigError> {
        let FileValues { values: file, mut tenants, mut providers } = match &inputs.file {
            Some(path) => read_file(path)?,
            None => FileValues::default(),
        };
        let mut values = Vec::new();
        for spec in options::all() {
            let (text, source) = pick(spec, inputs, &file);
            if let Err(fault) = spec.kind.check(&text) {
                let value = if spec.secret { String::from("(secret)") } else { text };
                let (name, source_name) = (spec.name, source);
                return Err(ConfigError::BadValue { name, value, source_name, fault });
            }
            values.push((spec, text, source));
        }
        tenants.extend(env_tenant(&inputs.env));
        let is_new = |new: &Provider| providers.iter().all(|known| known.name != new.name);
        providers.extend(providers::env_github(&inputs.env).filter(is_new));
        let mut settings = Self { values, tenants, providers };
        settings.read_admin_key_file()?;
        Ok(settings)
    }

    /// An option's text; valid for its kind.
    #[must_use]
    pub fn text(&self, key: Key) -> &str {
        let found = self.values.iter().find(|(spec, ..)| spec.key == key);
        found.map_or_else(|| options::find(key).default, |(_, text, _)| text)
    }

    /// A numeric option in its unit.
    #[must_use]
    pub fn number(&self, key: Key) -> u64 {
        options::find(key).kind.number(self.text(key)).unwrap_or(0)
    }

    /// Whether anything but the default decides an option.
    #[must_use]
    pub fn is_set(&self, key: Key) -> bool {
        self.values.iter().any(|(spec, _, source)| spec.key == key && *source != Source::Default)
    }

    /// Replaces a default that depends on others (`--dev`).
    pub fn set_default(&mut self, key: Key, text: &str) {
        for (spec, value, _) in &mut self.values {
            if spec.key == key {
                text.clone_into(value);
            }
        }
    }

    /// Every option with its value and source, as `config show` prints them; secrets are hidden.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Spec, &str, &Source)> {
        self.values.iter().map(|(spec, text, source)| {
            let hidden = spec.secret && !text.is_empty();
            (*spec, if hidden { "(hidden)" } else { text }, source)
        })
    }

    fn read_admin_key_file(&mut self) -> Result<(), ConfigError> {
        if self.is_set(Key::AdminKey) || self.text(Key::AdminKeyFile).is_empty() {
            return Ok(());
        }
        let secret = read_secret(Path::new(self.text(Key::AdminKeyFile)))?;
        self.set_default(Key::AdminKey, &secret);
        Ok(())
    }
}

fn pick(spec: &Spec, inputs: &Inputs, file: &BTreeMap<&str, String>) -> (String, Source) {
    if let Some(text) = inputs.flags.get(spec.name) {
        return (text.clone(), Source::Flag);
    }
    if let Some(text) = inputs.env.get(&spec.env()) {
        return (text.clone(), Source::Env(spec.env()));
    }
    if let Some(name) = spec.also_env
        && let Some(text) = inputs.env.get(name).and_then(|text| levees_own(spec.key, text, inputs))
    {
        return (text, Source::Env(name.to_owned()));
    }
    match file.get(spec.name) {
        Some(text) => (text.clone(), Source::File),
        None => (spec.default.to_owned(), Source::Default),
    }
}

#[derive(Default)]
struct FileValues {
    values: BTreeMap<&'static str, String>,
    tenants: Vec<Tenant>,
    providers: Vec<Provider>,
}

/// What a variable of Levee's means for the option that has another name here; `None`: nothing.
fn levees_own(key: Key, text: &str, inputs: &Inputs) -> Option<String> {
    if key == Key::AutoMembership {
        return matches!(text, "true" | "1").then(|| String::from("false"));
    }
    let host = if inputs.dev { "127.0.0.1" } else { "0.0.0.0" };
    Some(format!("{host}:{text}"))
}

fn read_file(path: &Path) -> Result<FileValues, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let table: toml::Table = text.parse().map_err(|source| ConfigError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let mut found = FileValues::default();
    for (key, value) in &table {
        if key == "tenant" {
            found.tenants = read_tenants(path, value)?;
            continue;
        }
        if key == "provider" {
            found.providers = providers::read(value)?;
            continue;
        }
        let Some(spec) = options::find_name(key) else {
            let known = options::all().map(|spec| spec.name).chain(["tenant", "provider"]);
            let nearest = options::nearest(key, known);
            let (path, key) = (path.to_owned(), key.clone());
            return Err(ConfigError::UnknownKey { path, key, nearest });
        };
        found.values.insert(spec.name, value_text(spec, value)?);
    }
    Ok(found)
}

/// A TOML value as it would stand in an environment variable.
fn value_text(spec: &'static Spec, value: &toml::Value) -> Result<String, ConfigError> {
    let scalar = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Float(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => None,
    };
    let text = match value {
        toml::Value::Array(items) if spec.kind.is_list() => {
            items.iter().map(scalar).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        other => scalar(other),
    };
    text.ok_or_else(|| ConfigError::BadValue {
        name: spec.name,
        value: value.to_string(),
        source_name: Source::File,
        fault: ValueFault::NotAList,
    })
}

fn read_tenants(path: &Path, value: &toml::Value) -> Result<Vec<Tenant>, ConfigError> {
    let bad = |id: &str, fault| ConfigError::BadTenant { id: id.to_owned(), fault };
    let entries = value.as_array().ok_or_else(|| bad("", TenantFault::BadKey))?;
    let mut tenants: Vec<Tenant> = Vec::new();
    for entry in entries {
        let table = entry.as_table().ok_or_else(|| bad("", TenantFault::BadKey))?;
        let tenant = read_tenant(path, table)?;
        if tenants.iter().any(|known| known.id == tenant.id) {
            return Err(bad(&tenant.id, TenantFault::Twice));
        }
        tenants.push(tenant);
    }
    Ok(tenants)
}

fn read_tenant(path: &Path, table: &toml::Table) -> Result<Tenant, ConfigError> {
    const KEYS: [&str; 6] = ["id", "name", "key", "key2", "key_file", "key2_file"];
    let text = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let id = text("id").unwrap_or_default();
    let bad = |fault| ConfigError::BadTenant { id: id.clone(), fault };
    for (key, value) in table {
        if !KEYS.contains(&key.as_str()) {
            let nearest = options::nearest(key, KEYS.into_iter());
            let (path, key) = (path.to_owned(), format!("tenant.{key}"));
            return Err(ConfigError::UnknownKey { path, key, nearest });
        }
        if !value.is_str() {
            return Err(bad(TenantFault::BadKey));
        }
    }
    if id.is_empty() {
        return Err(bad(TenantFault::NoId));
    }
    let secret = |inline: &str, file: &str| match (text(inline), text(file)) {
        (Some(key), _) => Ok(Some(key)),
        (None, Some(file)) => read_secret(Path::new(&file)).map(Some),
        (None, None) => Ok(None),
    };
    let key = secret("key", "key_file")?.filter(|key| !key.is_empty());
    Ok(Tenant {
        key: key.ok_or_else(|| bad(TenantFault::NoKey))?.into(),
        key2: secret("key2", "key2_file")?.filter(|key| !key.is_empty()).map(Secret::from),
        name: text("name").unwrap_or_else(|| id.clone()),
        unverified: false,
        id,
    })
}

/// Levee's own pair of variables defines one tenant.
fn env_tenant(env: &BTreeMap<String, String>) -> Option<Tenant> {
    let id = env.get("LEVEE_TENANT_ID")?.clone();
    let key = env.get("LEVEE_TENANT_KEY")?.clone().into();
    Some(Tenant { name: id.clone(), id, key, key2: None, unverified: false })
}

pub(super) fn read_secret(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}
