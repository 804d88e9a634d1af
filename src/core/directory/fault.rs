//! Why something is not done, with the code and text that an API client gets.

/// What went wrong. `Display` is the text for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryFault {
    #[error("Invalid email format")]
    InvalidEmail,
    #[error("Password must be at least 8 characters")]
    PasswordTooShort,
    #[error("Password must be at most 1024 bytes")]
    PasswordTooLong,
    #[error("An account with this email exists")]
    EmailTaken,
    #[error("Invalid email or password")]
    InvalidCredentials,
    #[error("Invalid or expired session")]
    NoSession,
    #[error("Admin access required")]
    NotAdmin,
    /// A member whose role does not allow it.
    #[error("Your role in this tenant does not allow this")]
    RoleTooLow,
    #[error("Not a member of this tenant")]
    NotMember,
    #[error("This account is disabled")]
    UserDisabled,
    #[error("{0} not found")]
    NotFound(Kind),
    #[error("{0} exists already")]
    Exists(Kind),
    #[error("Required: {0}")]
    MissingField(&'static str),
    #[error("Invalid value for {0}")]
    InvalidField(&'static str),
    #[error("Slot must be 1 or 2")]
    InvalidSlot,
    #[error("The invite has expired, was used or was revoked")]
    InviteSpent,
    #[error("The invite is for another email")]
    InviteForOther,
    #[error("A tenant keeps at least one owner")]
    LastOwner,
    #[error("The service keeps at least one administrator")]
    LastAdmin,
    #[error("Registration is closed; ask for an invite")]
    RegistrationClosed,
    #[error("The set-up link was used or is not known")]
    SetUpSpent,
    /// Too many failures; seconds until the next try.
    #[error("Too many attempts, try again later")]
    TooManyAttempts(u32),
    /// A bound of the service is reached.
    #[error("Limit reached: {0}")]
    TooMany(&'static str),
    /// A stored row cannot be read.
    #[error("The directory's data is damaged")]
    Damaged,
    /// The directory's disk does not take writes; nothing was changed.
    #[error("The directory cannot be written now")]
    Unavailable,
}

/// What there is in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    User,
    Session,
    Tenant,
    Member,
    Invite,
    ApiKey,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::User => "User",
            Self::Session => "Session",
            Self::Tenant => "Tenant",
            Self::Member => "Member",
            Self::Invite => "Invite",
            Self::ApiKey => "API key",
        })
    }
}

impl DirectoryFault {
    /// HTTP status and machine-readable code of the error body.
    #[must_use]
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Self::InvalidEmail => (422, "invalid_email"),
            Self::PasswordTooShort => (422, "password_too_short"),
            Self::PasswordTooLong => (422, "password_too_long"),
            Self::EmailTaken => (422, "email_taken"),
            Self::InvalidCredentials => (401, "invalid_credentials"),
            Self::NoSession => (401, "unauthorized"),
            Self::NotAdmin | Self::RoleTooLow | Self::NotMember => (403, "forbidden"),
            Self::UserDisabled => (403, "user_disabled"),
            Self::NotFound(_) => (404, "not_found"),
            Self::Exists(_) => (409, "already_exists"),
            Self::MissingField(_) => (422, "missing_fields"),
            Self::InvalidField(_) => (422, "invalid_field"),
            Self::InvalidSlot => (400, "invalid_slot"),
            Self::InviteSpent => (410, "invite_spent"),
            Self::InviteForOther => (403, "invite_for_other"),
            Self::LastOwner => (409, "last_owner"),
            Self::LastAdmin => (409, "last_admin"),
            Self::RegistrationClosed => (403, "registration_closed"),
            Self::SetUpSpent => (410, "set_up_spent"),
            Self::TooManyAttempts(_) => (429, "too_many_attempts"),
            Self::TooMany(_) => (409, "limit_reached"),
            Self::Damaged => (500, "damaged"),
            Self::Unavailable => (503, "unavailable"),
        }
    }
}
