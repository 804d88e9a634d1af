//! Who may do what: document tokens, the keys they are signed with, and the scopes they grant.
//!
//! A token is verified once, at connect or per REST call; what comes out is a [`Claims`]. Every way
//! it can fail is its own [`TokenFault`], and each wire words it in its own way.

mod fault;
mod jwt;
mod keyring;
mod openid;
mod scope;

pub use fault::{Rejection, TokenFault};
pub use jwt::{Claims, TOKEN_BYTES_MAX, decode_unverified, peek_tenant, sign, verify};
pub use keyring::{
    Credentials, Keyring, KeyringFault, Pass, Revoked, Tenant, TenantKeys, TenantLimits,
};
pub use openid::{Expected, IdClaims, IdTokenFault, KeySet, verify_id_token};
pub use scope::{Scope, Scopes};
