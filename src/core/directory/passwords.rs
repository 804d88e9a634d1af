//! Which passwords are taken. Hashing them takes a core tens of milliseconds, so that is the
//! shell's, on threads of its own.

use super::DirectoryFault;

const PASSWORD_CHARS_MIN: usize = 8;
/// Longer ones would be a way to make the service work hard.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Whether a new password may be used.
///
/// # Errors
/// [`DirectoryFault::PasswordTooShort`], [`DirectoryFault::PasswordTooLong`].
pub fn check_password(password: &str) -> Result<(), DirectoryFault> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(DirectoryFault::PasswordTooShort);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(DirectoryFault::PasswordTooLong);
    }
    Ok(())
}
