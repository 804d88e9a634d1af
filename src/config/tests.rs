use super::options::Key;
use super::settings::{Inputs, Settings, Source, TenantFault};
use super::value::ValueFault;
use super::{Config, ConfigError, Durability, document};
use std::path::PathBuf;

/// A file in the test's own place, removed with it.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("levee-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn inputs(file: Option<&TempFile>, flags: &[(&'static str, &str)], env: &[(&str, &str)]) -> Inputs {
    let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    Inputs {
        file: file.map(|file| file.0.clone()),
        flags: flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect(),
        env: env.iter().map(owned).collect(),
        dev: true,
    }
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let file = TempFile::new("layers.toml", "cores = 2\ndata = \"/file\"\nfile = 1\n");
    let error = Settings::load(&inputs(Some(&file), &[], &[])).unwrap_err();
    assert!(matches!(error, ConfigError::UnknownKey { ref key, .. } if key == "file"));

    let file = TempFile::new("layers.toml", "cores = 2\ndata = \"/file\"\n");
    let given = inputs(Some(&file), &[("cores", "4")], &[("LEVEE_CORES", "3")]);
    let settings = Settings::load(&given).unwrap();
    assert_eq!(settings.number(Key::Cores), 4);
    assert_eq!(settings.text(Key::Data), "/file");

    let given = inputs(Some(&file), &[], &[("LEVEE_CORES", "3")]);
    let settings = Settings::load(&given).unwrap();
    assert_eq!(settings.number(Key::Cores), 3);
    let source = settings.rows().find(|(spec, ..)| spec.key == Key::Cores).unwrap().2;
    assert_eq!(*source, Source::Env(String::from("LEVEE_CORES")));
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let file = TempFile::new("typo.toml", "durabilty = \"power\"\n");
    let error = Settings::load(&inputs(Some(&file), &[], &[])).unwrap_err();
    assert!(error.to_string().contains("did you mean `durability`?"), "{error}");
    let file = TempFile::new("typo2.toml", "[[tenant]]\nid = \"a\"\nkei = \"b\"\n");
    let error = Settings::load(&inputs(Some(&file), &[], &[])).unwrap_err();
    assert!(error.to_string().contains("tenant.kei"), "{error}");
}

#[test]
fn bad_values_say_what_is_expected_and_where_they_stand() {
    let given = inputs(None, &[("durability", "maybe")], &[]);
    let error = Settings::load(&given).unwrap_err();
    assert!(error.to_string().starts_with("durability = \"maybe\" (from flag)"), "{error}");
    let given = inputs(None, &[], &[("LEVEE_HANDSHAKE_MS", "5")]);
    let error = Settings::load(&given).unwrap_err();
    assert!(matches!(
        error,
        ConfigError::BadValue { fault: ValueFault::OutOfBounds { min: 100, .. }, .. }
    ));
}

#[test]
fn levees_own_variables_work() {
    let env = [("PORT", "4100"), ("LEVEE_TENANT_ID", "acme"), ("LEVEE_TENANT_KEY", "secret")];
    let mut given = inputs(None, &[], &env);
    given.dev = false;
    let (config, _) = Config::load(&given).unwrap();
    assert_eq!(config.listen, ["0.0.0.0:4100".parse().unwrap()]);
    assert_eq!(config.tenants.len(), 1);
    assert_eq!(config.tenants[0].key.expose(), "secret");
    given.dev = true;
    let (config, _) = Config::load(&given).unwrap();
    assert_eq!(config.listen, ["127.0.0.1:4100".parse().unwrap()]);
}

#[test]
fn people_come_in_by_themselves_with_dev_only() {
    let policy = |dev: bool, flags: &[(&'static str, &str)], env: &[(&str, &str)]| {
        let tenant = [("LEVEE_TENANT_ID", "t"), ("LEVEE_TENANT_KEY", "k")];
        let env: Vec<_> = env.iter().chain(&tenant).copied().collect();
        let given = Inputs { dev, ..inputs(None, flags, &env) };
        let (config, _) = Config::load(&given).unwrap();
        (config.policy.open_registration, config.policy.auto_membership)
    };
    assert_eq!(policy(false, &[], &[]), (false, false));
    assert_eq!(policy(true, &[], &[]), (true, true));
    let open = [("open_registration", "true"), ("auto_membership", "true")];
    assert_eq!(policy(false, &open, &[]), (true, true));
    let closed = [("LEVEE_OPEN_REGISTRATION", "false")];
    assert_eq!(policy(true, &[], &closed), (false, true));
    for (text, is_on) in [("true", false), ("1", false), ("false", true), ("", true)] {
        let env = [("LEVEE_DISABLE_AUTO_MEMBERSHIP", text)];
        assert_eq!(policy(true, &[], &env), (true, is_on), "{text}");
    }
    let flags = [("session_idle_ms", "2h"), ("session_ms", "3h"), ("token_ms", "90s")];
    let (config, _) = Config::load(&inputs(None, &flags, &[])).unwrap();
    let policy = config.policy;
    assert_eq!(
        (policy.session_idle_ms, policy.session_ms, policy.token_s),
        (7_200_000, 10_800_000, 90)
    );
}

#[test]
fn dev_is_for_loopback_only() {
    let (config, _) = Config::load(&inputs(None, &[], &[])).unwrap();
    let ports: Vec<u16> = config.listen.iter().map(std::net::SocketAddr::port).collect();
    assert_eq!(ports[..3], [4000, 7070, 7071]);
    assert!(config.listen.iter().all(|address| address.ip().is_loopback()));
    assert!(config.tenants.iter().any(|tenant| tenant.id == "local" && tenant.unverified));
    let error = Config::load(&inputs(None, &[("listen", "0.0.0.0:4000")], &[])).unwrap_err();
    assert!(matches!(error, ConfigError::DevNotLoopback(_)));
}

#[test]
fn without_a_tenant_there_is_no_service() {
    let mut given = inputs(None, &[], &[]);
    given.dev = false;
    assert!(matches!(Config::load(&given).unwrap_err(), ConfigError::NoTenant));
}

#[test]
fn tenants_come_from_the_file_with_keys_in_files() {
    let key = TempFile::new("acme.key", "from-a-file\n");
    let text = format!(
        "listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n[[tenant]]\nid = \"acme\"\nkey_file = {:?}\n",
        key.0
    );
    let file = TempFile::new("tenants.toml", &text);
    let mut given = inputs(Some(&file), &[], &[]);
    given.dev = false;
    let (config, settings) = Config::load(&given).unwrap();
    assert_eq!(config.tenants[0].key.expose(), "from-a-file");
    assert_eq!(config.listen.len(), 2);
    assert!(!document::show(&settings, &config.tenants).contains("from-a-file"));
    assert!(!format!("{config:?}").contains("from-a-file"));

    let file = TempFile::new("nokey.toml", "[[tenant]]\nid = \"acme\"\n");
    let error = Settings::load(&inputs(Some(&file), &[], &[])).unwrap_err();
    assert!(matches!(error, ConfigError::BadTenant { fault: TenantFault::NoKey, .. }));
}

#[test]
fn secrets_are_not_shown() {
    let given = inputs(None, &[("admin_key", "hunter2")], &[]);
    let (config, settings) = Config::load(&given).unwrap();
    let shown = document::show(&settings, &config.tenants);
    assert!(!shown.contains("hunter2") && shown.contains("(hidden)"), "{shown}");
    assert_eq!(config.admin_key.unwrap().expose(), "hunter2");
    assert_eq!(config.durability, Durability::Power);
}

#[test]
fn the_document_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(stored == document::markdown(), "run `levee config doc > docs/configuration.md`");
}
