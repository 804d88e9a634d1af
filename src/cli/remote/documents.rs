//! `levee document`.

use super::super::export;
use super::client::{Client, path, query};
use super::table::View;
use super::{Done, Outcome};
use clap::Subcommand;
use levee_core::ids::DocKey;
use serde_json::json;
use std::path::PathBuf;

/// `levee document …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Document {
    /// Documents of a tenant, by id
    List {
        tenant: String,
        /// Only those with this in their id
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only what comes after this document
        #[arg(long, value_name = "DOCUMENT")]
        from: Option<String>,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: u64,
    },
    /// A document, and who is in it
    Show { tenant: String, document: String },
    /// Delete a document with its history
    Delete { tenant: String, document: String },
    /// Write a document's versions as a bare git repository; the service must be stopped
    Export {
        tenant: String,
        document: String,
        /// The data directory of the stopped service
        #[arg(long, value_name = "DIR", default_value = "./data")]
        data: PathBuf,
        /// Where the repository is made: a new or empty directory
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

impl Document {
    pub(super) fn run(self, client: &Client) -> Outcome {
        match self {
            Self::List { tenant, search, from, limit } => {
                let limit = Some(limit.to_string());
                let query = query(&[("search", search), ("from", from), ("limit", limit)]);
                let columns = &["id", "sequence_number", "session_alive", "updated_at", "version"];
                let path = path(&["tenants", &tenant, "documents"]);
                let answer = client.get(&[path, query].concat())?;
                Ok(Done::new(answer, View::Rows("documents", columns)))
            }
            Self::Show { tenant, document } => {
                let answer = client.get(&path(&["tenants", &tenant, "documents", &document]))?;
                Ok(Done::new(answer, View::FieldsAnd("document", "session")))
            }
            Self::Delete { tenant, document } => {
                let path = path(&["tenants", &tenant, "documents", &document]);
                Ok(Done::message(client.delete(&path)?))
            }
            Self::Export { tenant, document, data, out } => {
                let exported = export::run(&DocKey::new(&tenant, &document), &data, &out)?;
                let answer = json!({ "objects": exported.objects, "out": out });
                Ok(Done::new(answer, View::Object))
            }
        }
    }
}
