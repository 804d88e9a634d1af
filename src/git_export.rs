//! A document's versions as a bare git repository that stock git reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use levee_core::git::{Kind, ObjectId, StoredObject, header};

/// The branch that carries the document's versions.
const BRANCH: &str = "refs/heads/main";

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Objects, each counted once.
    pub objects: u64,
    /// Bytes of their content, before compression.
    pub content_bytes: u64,
}

/// Why a repository could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The target holds something already; nothing was touched.
    #[error("the target directory is not empty")]
    NotEmpty,
    /// The objects do not contain the document's current version.
    #[error("version {0} is not among the document's objects")]
    NoHead(ObjectId),
    /// The store could not be read.
    #[error("cannot read the document's objects")]
    Read(#[source] io::Error),
    /// The repository could not be written.
    #[error("cannot write the repository")]
    Write(#[from] io::Error),
}

/// Writes all objects of a document as loose objects of a new bare repository at `path`, with
/// `head` as its branch. The branch is written last: a repository that has it is complete.
pub fn export(
    objects: impl Iterator<Item = io::Result<StoredObject>>,
    head: ObjectId,
    path: &Path,
) -> Result<Exported, ExportError> {
    fs::create_dir_all(path)?;
    if fs::read_dir(path)?.next().is_some() {
        return Err(ExportError::NotEmpty);
    }
    let folder = path.join("objects");
    fs::create_dir(&folder)?;
    fs::create_dir_all(path.join("refs/heads"))?;
    let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
    fs::write(path.join("config"), config)?;
    fs::write(path.join("HEAD"), format!("ref: {BRANCH}\n"))?;

    let mut exported = Exported::default();
    let mut head_seen = false;
    for object in objects {
        let object = object.map_err(ExportError::Read)?;
        head_seen |= object.id == head && object.kind == Kind::Commit;
        if write_loose(&folder, &object)? {
            exported.objects += 1;
            exported.content_bytes += object.body.len() as u64;
        }
    }
    if !head_seen {
        return Err(ExportError::NoHead(head));
    }
    fs::write(path.join(BRANCH), format!("{head}\n"))?;
    Ok(exported)
}

/// Writes one object where git looks for it; `false` if it is there already.
fn write_loose(folder: &Path, object: &StoredObject) -> io::Result<bool> {
    let id = object.id.to_string();
    let (fan_out, rest) = id.split_at(2);
    let folder = folder.join(fan_out);
    match fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file: File = match OpenOptions::new().write(true).create_new(true).open(folder.join(rest)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        file => file?,
    };
    let mut encoder = ZlibEncoder::new(file, Compression::default());
    encoder.write_all(&header(object.kind, object.body.len()))?;
    encoder.write_all(&object.body)?;
    encoder.finish()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use levee_core::git::{
        AcceptContext, Attributes, GitJob, GitRequest, MemoryObjects, Protocol, RestDialect,
        SummaryProposal, SummaryVerdict, accept_summary, create_document,
    };
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A directory of its own that is gone after the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("levee-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn git(repository: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .args(["-c", "safe.directory=*", "-C"])
            .arg(repository)
            .args(arguments)
            .output()
            .expect("stock git");
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// A document whose file `a` had these contents, one version each, and a stray blob.
    fn document(contents: &[String]) -> (MemoryObjects, ObjectId) {
        let node = |content: &str| json!({ "type": 2, "content": content });
        let body = json!({ "summary": { "type": 1, "tree": { "a": node(&contents[0]) } } });
        let new = create_document(body.to_string().as_bytes(), 1_795_377_072).expect("a document");
        let mut objects = MemoryObjects::default();
        objects.head = new.version;
        objects.insert(new.objects);
        objects.insert([StoredObject::blob("attachment")]);
        for (seq, content) in (1..).zip(&contents[1..]) {
            let folder = json!({ "type": 1, "tree": { "ü b": node(content) } });
            let body = json!({ "type": 1, "tree": { "a": node(content), "c d": folder } });
            let request = GitRequest::UploadSummary { body: body.to_string().into() };
            let dialect = RestDialect::Fluid;
            let job = GitJob { request, dialect, document: "d".into(), time_unix_s: 0 };
            let answer = job.run(&objects);
            objects.insert(answer.new_objects);
            let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
            accept(&mut objects, answer["id"].as_str().expect("a handle"), seq);
        }
        let head = objects.head.expect("a version");
        (objects, head)
    }

    fn accept(objects: &mut MemoryObjects, handle: &str, seq: u64) {
        let proposal = SummaryProposal {
            handle: handle.into(),
            head: objects.head.map(|head| head.to_string()),
            parents: Vec::new(),
            message: format!("Summary @{seq}"),
            reference_seq: seq,
            summary_seq: seq + 1,
        };
        let attributes = Attributes { minimum_sequence_number: 0, sequence_number: seq };
        let protocol = Protocol::new(attributes, "[]".into());
        let context = AcceptContext { time_unix_s: 1_795_377_072, ..AcceptContext::default() };
        match accept_summary(objects, &proposal, &protocol, &context).expect("a verdict") {
            SummaryVerdict::Ack { version, new_objects } => {
                objects.insert(new_objects);
                objects.head = Some(version);
            }
            SummaryVerdict::Nack { message } => panic!("{message}"),
        }
    }

    fn all(objects: &MemoryObjects) -> impl Iterator<Item = io::Result<StoredObject>> + '_ {
        objects.iter().cloned().map(Ok)
    }

    #[test]
    fn stock_git_reads_the_history() {
        let folder = Folder::new("export-history");
        let (objects, head) = document(&["one".into(), "two".into(), "three".into()]);
        let exported = export(all(&objects), head, &folder.0).expect("an export");
        assert_eq!(exported.objects, objects.iter().count() as u64);
        git(&folder.0, &["fsck", "--strict", "--full"]);
        let log = git(&folder.0, &["log", "--format=%s %an %at"]);
        let expected = "Summary @2 Levee 1795377072\n\
            Summary @1 Levee 1795377072\n\
            New document Levee 1795377072";
        assert_eq!(log, expected);
        assert_eq!(git(&folder.0, &["show", "main:a"]), "three");
        assert_eq!(git(&folder.0, &["show", "main:c%20d/%C3%BC%20b"]), "three");
        assert_eq!(git(&folder.0, &["show", "main~2:a"]), "one");
        let attributes = git(&folder.0, &["show", "main:.protocol/attributes"]);
        assert_eq!(attributes, r#"{"minimumSequenceNumber":0,"sequenceNumber":2}"#);
        let stray = StoredObject::blob("attachment").id.to_string();
        assert_eq!(git(&folder.0, &["cat-file", "-p", &stray]), "attachment");
    }

    #[test]
    fn a_repeated_object_is_written_once() {
        let folder = Folder::new("export-twice");
        let (objects, head) = document(&["one".into()]);
        let exported = export(all(&objects).chain(all(&objects)), head, &folder.0);
        assert_eq!(exported.expect("an export").objects, objects.iter().count() as u64);
    }

    #[test]
    fn failures_leave_no_branch() {
        let (objects, head) = document(&["one".into()]);
        let folder = Folder::new("export-fails");
        let broken = || io::Error::other("broken");
        let result = export(all(&objects).chain([Err(broken())]), head, &folder.0);
        assert!(matches!(result, Err(ExportError::Read(_))));
        assert!(!folder.0.join(BRANCH).exists());
        let again = export(all(&objects), head, &folder.0);
        assert!(matches!(again, Err(ExportError::NotEmpty)));

        let folder = Folder::new("export-no-head");
        let absent = ObjectId::of(Kind::Commit, b"absent");
        let result = export(all(&objects), absent, &folder.0);
        assert!(matches!(result, Err(ExportError::NoHead(id)) if id == absent));
        assert!(!folder.0.join(BRANCH).exists());

        let folder = Folder::new("export-file");
        fs::write(&folder.0, "in the way").expect("a file");
        let result = export(all(&objects), head, &folder.0);
        assert!(matches!(result, Err(ExportError::Write(_))));
        fs::remove_file(&folder.0).expect("removed");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]

        #[test]
        fn every_history_passes_a_strict_check(contents in prop::collection::vec(".*", 1..5)) {
            let folder = Folder::new("export-random");
            let (objects, head) = document(&contents);
            export(all(&objects), head, &folder.0).expect("an export");
            git(&folder.0, &["fsck", "--strict", "--full"]);
            let count = git(&folder.0, &["rev-list", "--count", "main"]);
            prop_assert_eq!(count, contents.len().to_string());
        }
    }
}
