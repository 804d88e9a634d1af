//! What is stored of a tenant: its documents, their operations, versions and objects. The shapes
//! are those of the original's admin page, with more members for our own.
//!
//! Reading is for a tenant's viewers, deleting for its admins; administrators of the service may
//! both, also where the tenant itself is gone.

mod documents;
mod git;
mod operations;

use super::caller::Caller;
use super::fault::ApiFault;
use super::{Answer, Call};
use levee_core::directory::Role;
use levee_core::ids::DocKey;
use levee_core::wire::route::StorageRoute;

pub(super) async fn answer(
    call: Call<'_>,
    caller: &Caller,
    tenant: &str,
    asked: StorageRoute<'_>,
) -> Answer {
    let doc = |document: &str| DocKey::new(tenant, document);
    require(call, caller, tenant, least(&asked)).await?;
    match asked {
        StorageRoute::Documents => documents::list(call, tenant).await,
        StorageRoute::Document { document } => documents::show(call, &doc(&document)).await,
        StorageRoute::DeleteDocument { document } => {
            documents::delete(call, caller, &doc(&document)).await
        }
        StorageRoute::Deltas { document } => operations::list(call, &doc(&document)).await,
        StorageRoute::Summaries { document } => git::summaries(call, &doc(&document)).await,
        StorageRoute::Refs => git::refs(call, tenant).await,
        StorageRoute::Blob { id } => git::object(call, tenant, &id, git::BLOB).await,
        StorageRoute::Tree { id } => git::object(call, tenant, &id, git::TREE).await,
        StorageRoute::Commit { id } => git::object(call, tenant, &id, git::COMMIT).await,
    }
}

fn least(asked: &StorageRoute<'_>) -> Role {
    match asked {
        StorageRoute::DeleteDocument { .. } => Role::Admin,
        StorageRoute::Documents
        | StorageRoute::Document { .. }
        | StorageRoute::Deltas { .. }
        | StorageRoute::Summaries { .. }
        | StorageRoute::Refs
        | StorageRoute::Blob { .. }
        | StorageRoute::Tree { .. }
        | StorageRoute::Commit { .. } => Role::Viewer,
    }
}

async fn require(
    call: Call<'_>,
    caller: &Caller,
    tenant: &str,
    least: Role,
) -> Result<(), ApiFault> {
    let (tenant, authority) = (tenant.to_owned(), caller.authority());
    let role = call
        .core
        .directories
        .call(caller.who(), move |directory, _| authority.require(directory, &tenant, least));
    role.await?;
    Ok(())
}
