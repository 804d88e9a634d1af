//! `levee user create`: an account made in the data of a stopped service, without key or network.

use crate::boot::store_config;
use crate::config::{Config, Durability};
use crate::directory::{self, Shelf, ShelfError, hash_password};
use crate::store::{DataDir, OpenError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use levee_core::directory::{Account, Actor, DirectoryFault, Profile, check_password};
use std::io::{self, BufRead as _};

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub(super) enum UserError {
    #[error("this service keeps nothing on a disk; use the set-up link that it prints")]
    InMemory,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "{0}; stop the service, or make the account while it runs: by the set-up link that it \
         printed, or with its admin key by POST /api/users"
    )]
    Running(OpenError),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    #[error("cannot read the password: {0}")]
    NoPassword(io::Error),
    #[error("the kernel gives no random numbers")]
    NoRandom,
    #[error(transparent)]
    Directory(#[from] DirectoryFault),
}

/// What the command line says of an account.
pub(super) struct NewUser {
    pub(super) email: String,
    /// Empty: made of the e-mail.
    pub(super) display_name: String,
    pub(super) is_admin: bool,
    /// Otherwise one is made up.
    pub(super) is_password_given: bool,
}

/// The account, and the password if it was made up here.
pub(super) struct Made {
    pub(super) account: Account,
    pub(super) password: Option<String>,
}

/// Makes an account in the data directory of a configuration.
///
/// # Errors
/// The data is in use or cannot be opened, or something is wrong with the e-mail or password.
pub(super) fn create(config: &Config, new: NewUser) -> Result<Made, UserError> {
    if config.durability == Durability::Memory {
        return Err(UserError::InMemory);
    }
    let (password, made_up) = if new.is_password_given {
        (read_password().map_err(UserError::NoPassword)?, None)
    } else {
        let bits = crate::runtime::random().ok_or(UserError::NoRandom)?;
        let password = URL_SAFE_NO_PAD.encode(bits.to_ne_bytes());
        (password.clone(), Some(password))
    };
    check_password(&password)?;
    let data = match DataDir::open(&store_config(config, false)) {
        Ok(data) => data,
        Err(error @ OpenError::Locked(_)) => return Err(UserError::Running(error)),
        Err(error) => return Err(error.into()),
    };
    let shelf = Shelf::open(&data.directory())?;
    let (mut directory, _) = directory::start(shelf, config.policy.clone(), vec![], vec![])?;
    let profile = Profile {
        email: new.email,
        display_name: new.display_name,
        password: Some(hash_password(&password)?),
        ..Profile::default()
    };
    let account = directory.act((Actor::Operator, None), |directory, act| {
        Ok(directory.create_user(act, profile, new.is_admin)?.account())
    })?;
    Ok(Made { account, password: made_up })
}

/// The first line of standard input.
fn read_password() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
