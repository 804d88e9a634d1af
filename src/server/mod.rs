//! Sockets and cores: bytes in, bytes out, letters between. Decides nothing; the core's shard does.

mod conn;
pub mod control;
mod flag;
mod handoff;
pub mod listener;
pub mod mailbox;
pub mod shard_loop;
pub mod step;
mod work;
