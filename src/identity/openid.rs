//! OpenID Connect: found by its issuer, believed by its signed identity token.

use super::client::Client;
use super::github::query;
use super::{Answer, IdentityFault, Provider, Vouched};
use levee_core::auth::{Expected, verify_id_token};
use levee_core::directory::{Identity, LoginStart};

/// Where the browser goes.
pub(super) fn sign_in_url(
    client: &Client,
    issuer: &str,
    provider: &Provider,
    start: &LoginStart,
    redirect_uri: &str,
) -> Result<String, IdentityFault> {
    let endpoint = client.discover(issuer)?.authorization_endpoint;
    let parameters = [
        ("response_type", "code"),
        ("client_id", &*provider.client_id),
        ("redirect_uri", redirect_uri),
        ("scope", "openid email profile"),
        ("state", &start.state),
        ("nonce", &start.nonce),
        ("code_challenge", &start.challenge),
        ("code_challenge_method", "S256"),
    ];
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    Ok(format!("{endpoint}{separator}{}", query(&parameters)))
}

pub(super) fn vouch(
    client: &Client,
    issuer: &str,
    provider: &Provider,
    answer: &Answer,
) -> Result<Vouched, IdentityFault> {
    let discovery = client.discover(issuer)?;
    let tokens = client.exchange(
        &discovery.token_endpoint,
        &[
            ("grant_type", "authorization_code"),
            ("client_id", &provider.client_id),
            ("client_secret", &provider.client_secret),
            ("code", &answer.code),
            ("redirect_uri", &answer.redirect_uri),
            ("code_verifier", &answer.verifier),
        ],
    )?;
    let token = tokens["id_token"].as_str().ok_or(IdentityFault::CodeRefused)?;
    let expected = Expected {
        issuer,
        client_id: &provider.client_id,
        nonce: &answer.nonce,
        now_unix_s: answer.now_unix_s,
    };
    let claims = verify_id_token(token, &client.keys(&discovery)?, expected)?;
    // Lists name people by e-mail: one that nobody verified is nobody's.
    let login = if claims.email_verified { claims.email.clone() } else { String::new() };
    Ok(Vouched {
        identity: Identity { issuer: issuer.to_owned(), subject: claims.subject },
        login,
        email: claims.email,
        email_verified: claims.email_verified,
        display_name: claims.name,
        organizations: Vec::new(),
    })
}
