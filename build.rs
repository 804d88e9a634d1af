//! Puts the web sites that `clients` builds into the binary: each folder of `clients/dist` becomes a
//! table of the files below it, which `src/http/sites.rs` serves. A site that is not built (it needs
//! Node) has no folder and no table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};
use xxhash_rust::xxh3::xxh3_128;

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = root.join("clients/dist");
    // The folder is always there, so that Cargo sees a site appear and disappear.
    println!("cargo:rerun-if-changed=clients/dist");
    println!("cargo:rerun-if-changed=build.rs");
    let mut tables = String::from("const BUILT: &[(&str, &[Asset])] = &[\n");
    for site in sites(&dist)? {
        let mut paths = Vec::new();
        collect(&site, &mut paths)?;
        let mut rows = Vec::new();
        for path in paths {
            rows.push(row(&site, &path)?);
        }
        rows.sort(); // by path: they are searched
        let rows: String = rows.into_iter().map(|(_, row)| row).collect();
        let name = site.file_name().unwrap_or_default();
        let _ = writeln!(tables, "({name:?}, &[\n{rows}]),");
    }
    tables.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("sites.rs"), tables)
}

/// The folder of each site that is built.
fn sites(dist: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dist) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut sites: Vec<_> = paths.into_iter().filter(|path| path.is_dir()).collect();
    sites.sort();
    Ok(sites)
}

/// Every file below a folder.
fn collect(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// The path of a file within its site, and its row.
fn row(site: &Path, file: &Path) -> io::Result<(String, String)> {
    let inside = file.strip_prefix(site).map_err(io::Error::other)?;
    let path = inside.to_str().ok_or_else(|| io::Error::other("a name that is not UTF-8"))?;
    let content_type = content_type(file)
        .ok_or_else(|| io::Error::other(format!("{path}: no content type for such a file")))?;
    let etag = format!("\"{:032x}\"", xxh3_128(&fs::read(file)?));
    // Vite puts a hash of the content into the names of what it places in `assets`.
    let is_immutable = path.starts_with("assets/");
    let row = format!(
        "    Asset {{ path: {path:?}, content_type: {content_type:?}, etag: {etag:?}, \
         is_immutable: {is_immutable}, bytes: include_bytes!({file:?}) }},\n"
    );
    Ok((path.to_owned(), row))
}

fn content_type(file: &Path) -> Option<&'static str> {
    Some(match file.extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => return None,
    })
}
