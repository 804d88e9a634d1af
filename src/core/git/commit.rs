//! Versions: git's commit objects, and the dates in them.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::GitError;
use super::object::{Kind, ObjectId, StoredObject};

/// Who made a version, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// A person's or service's name; characters that git forbids are dropped when written.
    pub name: String,
    /// An e-mail address; the same holds.
    pub email: String,
    /// Seconds since the Unix epoch; always written as UTC.
    pub time_unix_s: i64,
}

impl Signature {
    /// The service itself, for the versions that it makes.
    pub fn service(time_unix_s: i64) -> Self {
        Self { name: "Levee".into(), email: "server@levee.local".into(), time_unix_s }
    }

    /// The signature as git can hold it: what it reads back as.
    pub(super) fn cleaned(&self) -> Self {
        let (name, email) = (clean(&self.name), clean(&self.email));
        let name = if name.is_empty() { "unknown".into() } else { name };
        let time_unix_s = self.time_unix_s.clamp(0, MAX_TIME_UNIX_S);
        Self { name: name.into_owned(), email: email.into_owned(), time_unix_s }
    }

    fn write(&self, role: &str, out: &mut String) {
        let Self { name, email, time_unix_s } = self.cleaned();
        let _ = writeln!(out, "{role} {name} <{email}> {time_unix_s} +0000");
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once(" <")?;
        let (email, rest) = rest.split_once("> ")?;
        let time_unix_s = rest.strip_suffix(" +0000")?.parse().ok()?;
        Some(Self { name: name.into(), email: email.into(), time_unix_s })
    }
}

/// The end of the year 9999: later dates have no four-digit ISO form.
const MAX_TIME_UNIX_S: i64 = 253_402_300_799;

/// Drops what would break a signature line.
fn clean(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.contains(['<', '>', '\n', '\r', '\0']) {
        let kept: String = text.chars().filter(|c| !"<>\n\r\0".contains(*c)).collect();
        return Cow::Owned(kept.trim().to_owned());
    }
    Cow::Borrowed(text)
}

/// A version of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its root tree.
    pub tree: ObjectId,
    /// The versions it follows, the direct predecessor first.
    pub parents: Vec<ObjectId>,
    /// Who wrote the content.
    pub author: Signature,
    /// Who made the commit.
    pub committer: Signature,
    /// The author as a REST client sent it, one line of JSON, kept because Levee's wire returns it
    /// unchanged and git's own line cannot hold every form of it.
    pub author_json: Option<String>,
    /// The same for the committer.
    pub committer_json: Option<String>,
    /// The message as given; NUL is dropped when written.
    pub message: String,
}

/// Names of the extra headers; git skips headers that it does not know.
const AUTHOR_JSON: &str = "levee-author";
const COMMITTER_JSON: &str = "levee-committer";

impl Commit {
    /// A commit whose author and committer are the service.
    pub fn by_service(
        tree: ObjectId,
        parents: Vec<ObjectId>,
        message: impl Into<String>,
        time_unix_s: i64,
    ) -> Self {
        let author = Signature::service(time_unix_s);
        Self {
            tree,
            parents,
            committer: author.clone(),
            author,
            author_json: None,
            committer_json: None,
            message: message.into(),
        }
    }

    /// The commit as a git object.
    pub fn to_object(&self) -> StoredObject {
        let mut out = String::with_capacity(256 + self.message.len());
        let _ = writeln!(out, "tree {}", self.tree);
        for parent in &self.parents {
            let _ = writeln!(out, "parent {parent}");
        }
        self.author.write("author", &mut out);
        self.committer.write("committer", &mut out);
        let extra = [(AUTHOR_JSON, &self.author_json), (COMMITTER_JSON, &self.committer_json)];
        for (name, value) in extra {
            if let Some(json) = value {
                let _ = writeln!(out, "{name} {json}");
            }
        }
        out.push('\n');
        out.extend(self.message.chars().filter(|&c| c != '\0'));
        StoredObject::new(Kind::Commit, out.into_bytes())
    }

    /// Reads a commit back.
    ///
    /// Errors: [`GitError::WrongKind`] and [`GitError::Damaged`].
    pub fn parse(object: &StoredObject) -> Result<Self, GitError> {
        if object.kind != Kind::Commit {
            return Err(GitError::WrongKind { id: object.id, expected: Kind::Commit });
        }
        std::str::from_utf8(&object.body)
            .ok()
            .and_then(Self::parse_text)
            .ok_or(GitError::Damaged(object.id))
    }

    fn parse_text(text: &str) -> Option<Self> {
        let (headers, message) = text.split_once("\n\n")?;
        let (mut tree, mut parents) = (None, Vec::new());
        let (mut author, mut committer) = (None, None);
        let (mut author_json, mut committer_json) = (None, None);
        for line in headers.lines() {
            let (name, value) = line.split_once(' ')?;
            match name {
                "tree" => tree = Some(value.parse().ok()?),
                "parent" => parents.push(value.parse().ok()?),
                "author" => author = Some(Signature::parse(value)?),
                "committer" => committer = Some(Signature::parse(value)?),
                AUTHOR_JSON => author_json = Some(value.to_owned()),
                COMMITTER_JSON => committer_json = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(Self {
            tree: tree?,
            parents,
            author: author?,
            committer: committer?,
            author_json,
            committer_json,
            message: message.to_owned(),
        })
    }
}

/// Writes a time as clients expect dates: `2026-11-22T19:51:12.000Z`.
pub fn iso_date(time_unix_s: i64) -> String {
    let time = time_unix_s.clamp(0, MAX_TIME_UNIX_S);
    let (year, month, day) = civil_from_days(time / SECONDS_PER_DAY);
    let (hour, minute, second) = (time / 3600 % 24, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// Reads an ISO 8601 date and time; without an offset it is UTC. `None` if it is anything else.
pub fn parse_iso_date(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' '])?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (clock, offset_s) = split_offset(time)?;
    let clock = clock.split('.').next()?;
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let known = (0..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !known
        || !(0..24).contains(&hour)
        || !(0..60).contains(&minute)
        || !(0..61).contains(&second)
    {
        return None;
    }
    let days = days_from_civil(year, month, day);
    Some(days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset_s)
}

const SECONDS_PER_DAY: i64 = 86_400;

/// Splits `19:51:12.000+01:00` into the clock and its offset in seconds.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (hours, minutes) = time[at + 1..].split_once(':')?;
    let offset_s =
        hours.parse::<u16>().ok()? as i64 * 3600 + minutes.parse::<u16>().ok()? as i64 * 60;
    let sign = if time.as_bytes()[at] == b'-' { -1 } else { 1 };
    Some((&time[..at], sign * offset_s))
}

/// The Gregorian date of a day counted from 1970-01-01. Years begin in March here, so that the
/// leap day is the last of its year and 400 years are one repeating period.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The inverse of [`civil_from_days`].
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit() -> Commit {
        let id = ObjectId::of(Kind::Tree, b"");
        Commit::by_service(id, vec![id, id], "New document\n", 1_795_377_072)
    }

    #[test]
    fn a_commit_reads_back_as_written() {
        let mut commit = commit();
        assert_eq!(Commit::parse(&commit.to_object()), Ok(commit.clone()));
        commit.author_json = Some(r#"{"name":"T","date":1700000000}"#.into());
        commit.message = "two\n\nparagraphs".into();
        commit.parents.clear();
        assert_eq!(Commit::parse(&commit.to_object()), Ok(commit));
    }

    #[test]
    fn a_commit_is_what_git_would_write() {
        let mut commit = commit();
        commit.parents.truncate(1);
        let expected = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
            parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
            author Levee <server@levee.local> 1795377072 +0000\n\
            committer Levee <server@levee.local> 1795377072 +0000\n\nNew document\n";
        assert_eq!(commit.to_object().body, expected.as_bytes());
    }

    #[test]
    fn signatures_cannot_break_the_header() {
        let mut commit = commit();
        commit.author.name = " <x>\nparent 1\0 ".into();
        commit.author.email = "a>b".into();
        commit.committer.name = "<>".into();
        commit.committer.time_unix_s = -5;
        commit.message = "a\0b".into();
        let read = Commit::parse(&commit.to_object()).unwrap();
        assert_eq!(read.author.name, "xparent 1");
        assert_eq!(read.author.email, "ab");
        assert_eq!(read.committer.name, "unknown");
        assert_eq!(read.committer.time_unix_s, 0);
        assert_eq!(read.message, "ab");
        assert_eq!(read.parents.len(), 2);
    }

    #[test]
    fn other_bytes_are_not_a_commit() {
        let blob = StoredObject::blob("x");
        let expected = Kind::Commit;
        assert_eq!(Commit::parse(&blob), Err(GitError::WrongKind { id: blob.id, expected }));
        let good = commit().to_object();
        for cut in 0..good.body.len() - "\nNew document\n".len() {
            let damaged = StoredObject { body: good.body.slice(..cut), ..good.clone() };
            assert_eq!(Commit::parse(&damaged), Err(GitError::Damaged(good.id)), "cut at {cut}");
        }
    }

    #[test]
    fn dates_are_iso_and_read_back() {
        assert_eq!(iso_date(1_795_377_072), "2026-11-22T19:51:12.000Z");
        assert_eq!(iso_date(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_date(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso_date(i64::MAX), "9999-12-31T23:59:59.000Z");
        for time in (0..MAX_TIME_UNIX_S).step_by(86_400 * 37 + 4321) {
            assert_eq!(parse_iso_date(&iso_date(time)), Some(time));
        }
        assert_eq!(parse_iso_date("2026-11-22T20:51:12.5+01:00"), Some(1_795_377_072));
        assert_eq!(parse_iso_date("2026-11-22 19:51:12"), Some(1_795_377_072));
        for bad in ["", "yesterday", "2026-11-22", "2026-13-01T00:00:00Z", "2026-11-22T25:00:00Z"] {
            assert_eq!(parse_iso_date(bad), None, "{bad}");
        }
    }
}
