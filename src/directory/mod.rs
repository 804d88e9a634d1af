//! The directory's thread: the one owner of people and tenants, and the disk they are kept on.
//!
//! Cores send it closures and are answered by a future; nothing is answered before it is synced.
//! What cores need for checking tokens is published to them as a new keyring. Passwords are hashed
//! on further threads, see [`Hasher`].

mod hasher;
mod shelf;
mod thread;

pub use hasher::{Checked, Hasher, hash_password};
pub use shelf::{Shelf, ShelfError};
pub use thread::{Directories, From, Publish, Starting, start};
