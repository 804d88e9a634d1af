//! Transcripts kept in files, so that a change on the wire shows in review as a difference.

use std::path::Path;

/// Compares with `golden/<name>`; with `UPDATE_GOLDEN=1` writes it instead.
pub(crate) fn assert_golden(name: &str, transcript: &str) {
    assert_kept(&format!("tests/wire/golden/{name}"), transcript);
}

/// The same for a file anywhere below the repository's root.
pub(crate) fn assert_kept(name: &str, transcript: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, transcript).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    for (at, (kept, now)) in kept.lines().zip(transcript.lines()).enumerate() {
        assert_eq!(kept, now, "{name}:{}; UPDATE_GOLDEN=1 accepts the change", at + 1);
    }
    assert_eq!(kept.lines().count(), transcript.lines().count(), "{name}: lines");
}
