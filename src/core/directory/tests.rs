use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::auth::{Pass, Revoked, Scope, Scopes, TokenFault};

const HOUR_MS: u64 = 3_600_000;

/// Everybody may come in, as with `--dev`.
fn open() -> Policy {
    Policy { open_registration: true, auto_membership: true, ..Policy::default() }
}

/// A directory with the disk that its writes go to.
struct Bench {
    directory: Directory,
    disk: BTreeMap<String, Vec<u8>>,
    now_ms: u64,
    drawn: u64,
}

impl Bench {
    fn new() -> Self {
        Self::with(open())
    }

    fn with(policy: Policy) -> Self {
        let directory = Directory::new(policy);
        Self { directory, disk: BTreeMap::new(), now_ms: 1_700_000_000_000, drawn: 0 }
    }

    fn act(&mut self, actor: Actor) -> Act {
        let mut fresh = [[0; 32]; 4];
        for bits in &mut fresh {
            self.drawn += 1;
            bits[..8].copy_from_slice(&self.drawn.to_be_bytes());
            bits[8..16].copy_from_slice(&(!self.drawn).to_be_bytes());
        }
        Act::new(self.now_ms, actor, Some([127, 0, 0, 1].into()), fresh)
    }

    fn anonymous(&mut self) -> Act {
        self.act(Actor::Anonymous)
    }

    fn save(&mut self) {
        for Write { key, value } in self.directory.take_writes() {
            match value {
                Some(value) => self.disk.insert(key, value),
                None => self.disk.remove(&key),
            };
        }
    }

    /// As after a restart.
    fn reopen(&mut self) {
        self.save();
        self.directory = Directory::new(self.directory.policy.clone());
        for (key, value) in &self.disk {
            self.directory.load(key, value).unwrap();
        }
    }

    fn user(&mut self, email: &str) -> User {
        let profile = Profile { email: email.into(), ..Profile::default() };
        let mut act = self.anonymous();
        self.directory.register(&mut act, profile).unwrap()
    }

    fn tenant(&mut self, id: &str) -> TenantRecord {
        let new = NewTenant { id: Some(id.into()), name: id.into(), ..NewTenant::default() };
        let mut act = self.act(Actor::AdminKey);
        self.directory.create_tenant(&mut act, new).unwrap()
    }

    fn audit(&mut self) -> Vec<AuditEntry> {
        self.save();
        let lines = self.disk.iter().filter(|(key, _)| key.starts_with(AUDIT_PREFIX));
        lines.map(|(_, value)| serde_json::from_slice(value).unwrap()).collect()
    }
}

#[test]
fn everything_outlives_a_restart() {
    let mut bench = Bench::new();
    bench.tenant("acme");
    let user = bench.user("ann@example.org");
    let mut act = bench.act(Actor::User(user.id.clone()));
    let opened = bench.directory.open_session(&mut act, &user.id, Door::Password, "test");
    let (key, _) = {
        let new =
            NewApiKey { name: "ci".into(), scopes: vec!["doc:read".into()], expires_ms: None };
        bench.directory.create_api_key(&mut act, "acme", new).unwrap()
    };
    bench.directory.revoke_token(&act, "acme", "jti-1", None).unwrap();
    let before: Vec<_> = bench.audit();
    bench.reopen();
    let now_ms = bench.now_ms;
    assert_eq!(bench.directory.user_by_email("ANN@example.org").unwrap().id, user.id);
    assert_eq!(bench.directory.session(&opened.token, now_ms).unwrap().0.id, user.id);
    assert_eq!(bench.directory.role("acme", &user.id), Some(Role::Member));
    assert_eq!(bench.directory.api_keys("acme").next().unwrap().id, key.id);
    let keyring = bench.directory.take_keyring(&[]).unwrap();
    let revoked = Revoked::new(["jti-1"].into_iter(), [].into_iter());
    assert_eq!(keyring.tenant("acme").unwrap().revoked, revoked);
    assert!(bench.directory.take_keyring(&[]).is_none(), "nothing has changed since");
    // The log goes on where it was, and nothing in it was lost or changed.
    bench.tenant("other");
    let after = bench.audit();
    assert_eq!(after[..before.len()], before);
    assert!(after.iter().map(|entry| entry.seq).eq(1..=after.len() as u64));
    assert_eq!(bench.directory.load("nothing/x", b"{}"), Err(DirectoryFault::Damaged));
    assert_eq!(bench.directory.load("user/x", b"{"), Err(DirectoryFault::Damaged));
}

#[test]
fn no_secret_is_stored_in_the_clear_or_logged() {
    let mut bench = Bench::new();
    let tenant = bench.tenant("acme");
    let user = bench.user("ann@example.org");
    let mut act = bench.act(Actor::User(user.id.clone()));
    let session = bench.directory.open_session(&mut act, &user.id, Door::Password, "").token;
    let (_, invite) =
        bench.directory.invite(&mut act, "acme", (None, Role::Member), Role::Owner).unwrap();
    let new = NewApiKey { name: "ci".into(), scopes: vec!["doc:read".into()], expires_ms: None };
    let (_, key) = bench.directory.create_api_key(&mut act, "acme", new).unwrap();
    let rotated = bench.directory.rotate_secret(&mut act, "acme", 1).unwrap();
    bench.save();
    for (row, value) in &bench.disk {
        let text = format!("{row} {}", String::from_utf8_lossy(value));
        for token in [&session, &invite, &key] {
            assert!(!text.contains(token.as_str()), "{row}");
        }
        if !row.starts_with("tenant/") {
            for secret in [&tenant.secret1, &tenant.secret2, &rotated] {
                assert!(!text.contains(secret.as_str()), "{row}");
            }
        }
    }
}

#[test]
fn emails_are_one_person_each() {
    let mut bench = Bench::new();
    bench.user("Ann@Example.org");
    let mut act = bench.anonymous();
    for (email, fault) in [
        ("ann@example.ORG", DirectoryFault::EmailTaken),
        (" ann@example.org ", DirectoryFault::EmailTaken),
        ("nobody", DirectoryFault::InvalidEmail),
        ("@", DirectoryFault::InvalidEmail),
        ("a b@c", DirectoryFault::InvalidEmail),
        ("", DirectoryFault::InvalidEmail),
    ] {
        let profile = Profile { email: email.into(), ..Profile::default() };
        assert_eq!(bench.directory.register(&mut act, profile).unwrap_err(), fault, "{email}");
    }
    let user = bench.directory.user_by_email("ann@example.org").unwrap();
    assert_eq!((user.display_name.as_str(), user.is_admin), ("Ann", false));
}

#[test]
fn the_first_administrator_is_made_by_the_link_and_once() {
    let mut bench = Bench::new();
    let mut act = bench.anonymous();
    let token = bench.directory.make_set_up_link(&mut act).unwrap();
    bench.reopen();
    let profile = |email: &str| Profile { email: email.into(), ..Profile::default() };
    let wrong = bench.directory.set_up(&mut act, "set_wrong", profile("a@b"));
    assert_eq!(wrong.unwrap_err(), DirectoryFault::SetUpSpent);
    let admin = bench.directory.set_up(&mut act, &token, profile("a@b")).unwrap();
    assert!(admin.is_admin);
    let again = bench.directory.set_up(&mut act, &token, profile("c@d"));
    assert_eq!(again.unwrap_err(), DirectoryFault::SetUpSpent);
    assert_eq!(bench.directory.make_set_up_link(&mut act), None);
    let change = UserChange { is_admin: Some(false), ..UserChange::default() };
    let last = bench.directory.change_user(&act, &admin.id, &change);
    assert_eq!(last.unwrap_err(), DirectoryFault::LastAdmin);
    assert_eq!(bench.directory.delete_user(&act, &admin.id), Err(DirectoryFault::LastAdmin));
    // Another who cannot sign in is none, so that one may lose it.
    let other = bench.directory.create_user(&mut act, profile("e@f"), true).unwrap();
    let disable = UserChange { is_disabled: Some(true), ..UserChange::default() };
    bench.directory.change_user(&act, &other.id, &disable).unwrap();
    let last = bench.directory.change_user(&act, &admin.id, &change);
    assert_eq!(last.unwrap_err(), DirectoryFault::LastAdmin);
    bench.directory.change_user(&act, &other.id, &change).unwrap();
    bench.directory.delete_user(&act, &other.id).unwrap();
}

#[test]
fn a_set_up_link_dies_with_the_next_one_and_with_an_administrator_made_otherwise() {
    let mut bench = Bench::new();
    let profile = |email: &str| Profile { email: email.into(), ..Profile::default() };
    let mut act = bench.act(Actor::Service);
    let first = bench.directory.make_set_up_link(&mut act).unwrap();
    let second = bench.directory.make_set_up_link(&mut act).unwrap();
    let old = bench.directory.set_up(&mut act, &first, profile("a@b"));
    assert_eq!(old.unwrap_err(), DirectoryFault::SetUpSpent);
    let mut act = bench.act(Actor::Operator);
    bench.directory.create_user(&mut act, profile("admin@b"), true).unwrap();
    let late = bench.directory.set_up(&mut act, &second, profile("a@b"));
    assert_eq!(late.unwrap_err(), DirectoryFault::SetUpSpent);
    let made = bench.audit().into_iter().filter(|line| line.deed == Deed::SetUpLinkMade);
    assert_eq!(made.count(), 2);
}

#[test]
fn sessions_slide_and_end() {
    let mut bench =
        Bench::with(Policy { session_idle_ms: HOUR_MS, session_ms: 3 * HOUR_MS, ..open() });
    let user = bench.user("ann@example.org");
    let mut act = bench.anonymous();
    let start_ms = bench.now_ms;
    let a = bench.directory.open_session(&mut act, &user.id, Door::Password, "a").token;
    let mut act = bench.anonymous();
    let b = bench.directory.open_session(&mut act, &user.id, Door::Password, "b").token;
    let at = |bench: &mut Bench, token: &str, minutes: u64| {
        bench.directory.session(token, start_ms + minutes * 60_000).is_ok()
    };
    assert_ne!(a, b);
    // Used every 50 minutes it lives on, but not beyond three hours; unused it ends after one.
    assert!(at(&mut bench, &a, 50) && at(&mut bench, &a, 100) && at(&mut bench, &a, 150));
    assert!(!at(&mut bench, &b, 60) && !at(&mut bench, &a, 180));
    bench.directory.sweep(start_ms + 4 * HOUR_MS);
    assert!(bench.directory.sessions_of(&user.id, 0).is_empty());
    assert!(!at(&mut bench, "ses_unknown", 0));
}

#[test]
fn sessions_are_listed_and_revoked_by_their_user_only() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.user("ann@example.org"), bench.user("bob@example.org"));
    let mut act = bench.act(Actor::User(ann.id.clone()));
    let one = bench.directory.open_session(&mut act, &ann.id, Door::Password, "");
    let two = bench.directory.open_session(&mut act, &ann.id, Door::Password, "");
    let id = &one.session.id;
    let none = DirectoryFault::NotFound(Kind::Session);
    assert_eq!(bench.directory.revoke_session(&act, &bob.id, id), Err(none));
    bench.directory.revoke_session(&act, &ann.id, id).unwrap();
    let now_ms = bench.now_ms;
    assert_eq!(bench.directory.session(&one.token, now_ms).err(), Some(DirectoryFault::NoSession));
    bench.directory.change_password(&act, &ann.id, "hash".into(), Some(&two.token)).unwrap();
    assert!(bench.directory.session(&two.token, now_ms).is_ok());
    bench.directory.change_password(&act, &ann.id, "hash".into(), None).unwrap();
    assert!(bench.directory.session(&two.token, now_ms).is_err());
    for _ in 0..150 {
        let mut act = bench.anonymous();
        bench.directory.open_session(&mut act, &bob.id, Door::Password, "");
    }
    assert_eq!(bench.directory.sessions_of(&bob.id, now_ms).len(), 100);
}

#[test]
fn guessing_is_slowed_down_per_account_and_address() {
    let mut bench = Bench::new();
    let ann = bench.user("ann@example.org");
    let wrong = |bench: &mut Bench, email: &str| {
        let act = bench.anonymous();
        let attempt = bench.directory.begin_login(&act, email)?;
        assert_eq!(attempt.user.is_some(), email.to_lowercase().starts_with("ann"));
        bench.directory.end_login(&act, email, None, None).map(|_| ())
    };
    for _ in 0..6 {
        let fault = wrong(&mut bench, "ANN@example.org").unwrap_err();
        assert_eq!(fault, DirectoryFault::InvalidCredentials);
    }
    assert_eq!(wrong(&mut bench, "ann@example.org"), Err(DirectoryFault::TooManyAttempts(2)));
    // Another account has failures of its own.
    let bob = wrong(&mut bench, "bob@example.org");
    assert_eq!(bob, Err(DirectoryFault::InvalidCredentials));
    bench.now_ms += 2000;
    let act = bench.anonymous();
    bench.directory.begin_login(&act, "ann@example.org").unwrap();
    let upgraded = Some("new".to_owned());
    bench.directory.end_login(&act, "ann@example.org", Some(&ann.id), upgraded).unwrap();
    assert_eq!(bench.directory.user(&ann.id).unwrap().password.as_deref(), Some("new"));
    assert!(bench.directory.begin_login(&act, "ann@example.org").is_ok());
}

#[test]
fn an_address_that_tries_one_account_after_the_other_is_slowed_down() {
    let mut bench = Bench::new();
    let mallory = bench.user("mallory@example.org");
    let attempt = |bench: &mut Bench, from: &str, number: usize| {
        let mut act = bench.anonymous();
        act.from = Some(from.parse().unwrap());
        let email = format!("victim-{number}@example.org");
        bench.directory.begin_login(&act, &email)?;
        let refused = bench.directory.end_login(&act, &email, None, None).unwrap_err();
        assert_eq!(refused, DirectoryFault::InvalidCredentials);
        // A login of one's own in between changes nothing.
        bench.directory.end_login(&act, "mallory@example.org", Some(&mallory.id), None)
    };
    for number in 0..51 {
        attempt(&mut bench, &format!("2001:db8:1:2::{number:x}"), number).unwrap();
    }
    let slowed = DirectoryFault::TooManyAttempts(2);
    assert_eq!(attempt(&mut bench, "2001:db8:1:2:ffff::1", 51).unwrap_err(), slowed);
    assert!(attempt(&mut bench, "2001:db8:1:3::1", 51).is_ok(), "another network");
    bench.now_ms += 2000;
    assert!(attempt(&mut bench, "2001:db8:1:2::1", 52).is_ok());
}

#[test]
fn secrets_rotate_without_an_outage() {
    let mut bench = Bench::new();
    let first = bench.tenant("acme");
    let claims = r#"{"documentId":"d","tenantId":"acme","scopes":[],"exp":9999999999}"#;
    let check = |bench: &mut Bench, secret: &str| {
        let keyring = bench.directory.keyring(&[]);
        keyring.verify("acme", &crate::auth::sign(claims, secret.as_bytes()), 0).map(|_| ())
    };
    let mut act = bench.act(Actor::AdminKey);
    let second = bench.directory.rotate_secret(&mut act, "acme", 1).unwrap();
    assert_eq!(check(&mut bench, &first.secret1), Err(TokenFault::BadSignature));
    assert_eq!(check(&mut bench, &first.secret2), Ok(()), "the other slot is untouched");
    assert_eq!(check(&mut bench, &second), Ok(()));
    let third = bench.directory.rotate_secret(&mut act, "acme", 2).unwrap();
    assert_eq!(check(&mut bench, &first.secret2), Err(TokenFault::BadSignature));
    assert_eq!(check(&mut bench, &third), Ok(()));
    let slot = bench.directory.rotate_secret(&mut act, "acme", 3);
    assert_eq!(slot, Err(DirectoryFault::InvalidSlot));
    assert_eq!(check(&mut bench, &second), Ok(()));
}

#[test]
fn a_configured_tenant_keeps_what_was_changed_until_its_key_changes() {
    let mut bench = Bench::new();
    let seed = |key: &str| Seed { id: "t".into(), name: "T".into(), key: key.into(), key2: None };
    let mut act = bench.act(Actor::Service);
    bench.directory.seed_tenant(&mut act, seed("one"));
    let rotated = bench.directory.rotate_secret(&mut act, "t", 1).unwrap();
    bench.reopen();
    bench.directory.seed_tenant(&mut act, seed("one"));
    assert_eq!(bench.directory.tenant("t").unwrap().secret1, rotated);
    bench.directory.delete_tenant(&act, "t").unwrap();
    bench.reopen();
    bench.directory.seed_tenant(&mut act, seed("one"));
    assert!(bench.directory.tenant("t").is_err(), "deleted stays deleted");
    let again = bench.tenant("t");
    bench.reopen();
    bench.directory.seed_tenant(&mut act, seed("one"));
    let kept = bench.directory.tenant("t").unwrap();
    assert_eq!(kept.secret1, again.secret1, "made again, it keeps its secrets");
    bench.directory.seed_tenant(&mut act, seed("two"));
    assert_eq!(bench.directory.tenant("t").unwrap().secret1, "two");
}

#[test]
fn tenants_get_names_and_bounds() {
    let mut bench = Bench::new();
    let mut act = bench.act(Actor::AdminKey);
    let named = NewTenant { name: "Acme".into(), ..NewTenant::default() };
    let made = bench.directory.create_tenant(&mut act, named).unwrap();
    assert_eq!(made.id.split('-').count(), 3);
    assert_eq!((made.secret1.len(), made.secret1 == made.secret2), (64, false));
    let create = |bench: &mut Bench, id: &str, name: &str| {
        let new = NewTenant { id: Some(id.into()), name: name.into(), ..NewTenant::default() };
        let mut act = bench.act(Actor::AdminKey);
        bench.directory.create_tenant(&mut act, new).map(|tenant| tenant.id)
    };
    let missing = DirectoryFault::MissingField("name");
    assert_eq!(create(&mut bench, "x", "  "), Err(missing));
    for id in ["", "a/b", "a b", &"x".repeat(65)] {
        assert_eq!(create(&mut bench, id, "n"), Err(DirectoryFault::InvalidField("id")));
    }
    assert_eq!(create(&mut bench, "x", "n"), Ok("x".into()));
    assert_eq!(create(&mut bench, "x", "n"), Err(DirectoryFault::Exists(Kind::Tenant)));
}

#[test]
fn roles_bound_each_other() {
    use Role::{Admin, Member, Owner, Viewer};
    let mut bench = Bench::with(Policy { auto_membership: false, ..open() });
    let (ann, bob) = (bench.user("ann@example.org"), bench.user("bob@example.org"));
    let mut act = bench.act(Actor::User(ann.id.clone()));
    let new = NewTenant { id: Some("t".into()), name: "T".into(), ..NewTenant::default() };
    bench.directory.create_tenant(&mut act, new).unwrap();
    assert_eq!(bench.directory.role("t", &ann.id), Some(Owner));
    let set = |bench: &mut Bench, user: &User, role, by| {
        let act = bench.act(Actor::AdminKey);
        bench.directory.set_role(&act, ("t", &user.id), role, by)
    };
    let low = Err(DirectoryFault::RoleTooLow);
    assert_eq!(set(&mut bench, &bob, Viewer, Member), low);
    assert_eq!(set(&mut bench, &bob, Owner, Admin), low);
    assert_eq!(set(&mut bench, &bob, Admin, Admin), Ok(()));
    assert_eq!(set(&mut bench, &ann, Member, Admin), low, "nobody demotes someone mightier");
    assert_eq!(set(&mut bench, &ann, Member, Owner), Err(DirectoryFault::LastOwner));
    assert_eq!(set(&mut bench, &bob, Owner, Owner), Ok(()));
    assert_eq!(set(&mut bench, &ann, Viewer, Owner), Ok(()));
    let directory = &mut bench.directory;
    assert_eq!(directory.require("t", &ann.id, Viewer), Ok(Viewer));
    assert_eq!(directory.require("t", &ann.id, Admin), Err(DirectoryFault::RoleTooLow));
    assert_eq!(directory.require("u", &ann.id, Viewer), Err(DirectoryFault::NotMember));
    let members: Vec<_> = directory.members("t").into_iter().map(|m| (m.email, m.role)).collect();
    let expected = [("bob@example.org".into(), Owner), ("ann@example.org".into(), Viewer)];
    assert_eq!(members, expected);
    let gone = directory.remove_member(&act, ("t", &bob.id), Owner);
    assert_eq!(gone, Err(DirectoryFault::LastOwner));
    directory.remove_member(&act, ("t", &ann.id), Owner).unwrap();
    assert_eq!(directory.role("t", &ann.id), None);
}

#[test]
fn invites_are_used_once_by_whom_they_are_for() {
    let closed = Policy::default();
    let mut bench = Bench::with(closed);
    bench.tenant("t");
    let invite = |bench: &mut Bench, email: Option<&str>, role| {
        let mut act = bench.act(Actor::AdminKey);
        let whom = (email.map(str::to_owned), role);
        bench.directory.invite(&mut act, "t", whom, Role::Owner).unwrap()
    };
    let register = |bench: &mut Bench, email: &str, invite: Option<&str>| {
        let mut act = bench.anonymous();
        let invite = invite.map(str::to_owned);
        let profile = Profile { email: email.into(), invite, ..Profile::default() };
        bench.directory.register(&mut act, profile)
    };
    let closed = register(&mut bench, "ann@example.org", None).unwrap_err();
    assert_eq!(closed, DirectoryFault::RegistrationClosed);
    let (for_ann, token) = invite(&mut bench, Some("Ann@example.org"), Role::Admin);
    let other = register(&mut bench, "bob@example.org", Some(&token)).unwrap_err();
    assert_eq!(other, DirectoryFault::InviteForOther);
    let ann = register(&mut bench, "ann@example.org", Some(&token)).unwrap();
    assert_eq!(bench.directory.role("t", &ann.id), Some(Role::Admin));
    let accepted = bench.directory.invites("t").next().unwrap();
    assert_eq!((accepted.id.as_str(), accepted.state), (&*for_ann.id, InviteState::Accepted));
    let act = bench.anonymous();
    let again = bench.directory.accept_invite(&act, &ann.id, &token);
    assert_eq!(again.unwrap_err(), DirectoryFault::InviteSpent);
    // A lesser invite takes nothing away.
    let (_, token) = invite(&mut bench, None, Role::Viewer);
    let kept = bench.directory.accept_invite(&act, &ann.id, &token).unwrap();
    assert_eq!(kept.role, Role::Admin);
    let (revoked, token) = invite(&mut bench, None, Role::Viewer);
    bench.directory.revoke_invite(&act, "t", &revoked.id).unwrap();
    let (_, late) = invite(&mut bench, None, Role::Viewer);
    bench.now_ms += 8 * 24 * HOUR_MS;
    let act = bench.anonymous();
    for token in [&token, &late, &"inv_unknown".to_owned()] {
        let spent = bench.directory.accept_invite(&act, &ann.id, token);
        assert_eq!(spent.unwrap_err(), DirectoryFault::InviteSpent);
    }
    let now_ms = bench.now_ms;
    bench.directory.sweep(now_ms);
    assert_eq!(bench.directory.invites("t").count(), 0);
}

#[test]
fn minted_tokens_have_the_scopes_of_the_role() {
    let mut bench = Bench::with(Policy { auto_membership: false, ..open() });
    bench.tenant("t");
    let ann = bench.user("ann@example.org");
    let mut act = bench.act(Actor::User(ann.id.clone()));
    let none = bench.directory.mint(&mut act, "t", "d", &ann.id);
    assert_eq!(none.unwrap_err(), DirectoryFault::NotMember);
    for (role, scopes) in [
        (Role::Viewer, Scopes::of(&[Scope::DocRead])),
        (Role::Member, Scopes::of(&[Scope::DocRead, Scope::DocWrite, Scope::SummaryWrite])),
        (Role::Admin, Scopes::of(&Scope::ALL)),
        (Role::Owner, Scopes::of(&Scope::ALL)),
    ] {
        bench.directory.put_member(&act, "t", &ann.id, role);
        let minted = bench.directory.mint(&mut act, "t", "d", &ann.id).unwrap();
        let keyring = bench.directory.keyring(&[]);
        let claims = keyring.verify("t", &minted.jwt, 1_700_000_000).unwrap();
        assert_eq!((claims.scopes, claims.document()), (scopes, "d"));
        assert_eq!(claims.user_id().as_deref(), Some(&*ann.id));
        assert_eq!(claims.expires_at_s, 1_700_003_600);
    }
}

#[test]
fn api_keys_mint_what_they_may() {
    let mut bench = Bench::new();
    bench.tenant("t");
    bench.tenant("u");
    let mut act = bench.act(Actor::AdminKey);
    let scopes = vec!["doc:read".to_owned(), "doc:write".to_owned()];
    let expires_ms = Some(bench.now_ms + HOUR_MS);
    let new = NewApiKey { name: "ci".into(), scopes, expires_ms };
    let (key, text) = bench.directory.create_api_key(&mut act, "t", new).unwrap();
    let mint = |bench: &mut Bench, text: &str, tenant: &str, asked: Option<&[&str]>| {
        let mut act = bench.anonymous();
        let user = MintedUser { id: "robot".into(), name: "Robot".into() };
        let asked: Option<Vec<String>> =
            asked.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let minted =
            bench.directory.mint_with_key(&mut act, text, (tenant, "d"), asked.as_deref(), user)?;
        let keyring = bench.directory.keyring(&[]);
        Ok(keyring.verify(tenant, &minted.jwt, 1_700_000_000).unwrap().scopes)
    };
    let both = Scopes::of(&[Scope::DocRead, Scope::DocWrite]);
    assert_eq!(mint(&mut bench, &text, "t", None), Ok(both));
    let read = Scopes::of(&[Scope::DocRead]);
    assert_eq!(mint(&mut bench, &text, "t", Some(&["doc:read"])), Ok(read));
    let low = Err(DirectoryFault::RoleTooLow);
    assert_eq!(mint(&mut bench, &text, "t", Some(&["summary:write"])), low);
    assert_eq!(mint(&mut bench, &text, "u", None), Err(DirectoryFault::NotMember));
    assert_eq!(mint(&mut bench, "lvk_no", "t", None), Err(DirectoryFault::NoSession));
    bench.now_ms += HOUR_MS;
    assert_eq!(mint(&mut bench, &text, "t", None), Err(DirectoryFault::NoSession));
    bench.now_ms -= HOUR_MS;
    bench.directory.revoke_api_key(&act, "t", &key.id).unwrap();
    assert_eq!(mint(&mut bench, &text, "t", None), Err(DirectoryFault::NoSession));
}

#[test]
fn revoked_tokens_are_refused_and_forgotten_in_time() {
    let mut bench = Bench::new();
    bench.tenant("t");
    let (ann, bob) = (bench.user("ann@example.org"), bench.user("bob@example.org"));
    let mut act = bench.act(Actor::AdminKey);
    let of_ann = bench.directory.mint(&mut act, "t", "d", &ann.id).unwrap().jwt;
    let of_bob = bench.directory.mint(&mut act, "t", "d", &bob.id).unwrap().jwt;
    let now_s = 1_700_000_000;
    let check = |bench: &mut Bench, jwt: &str| bench.directory.keyring(&[]).verify("t", jwt, now_s);
    let claims = check(&mut bench, &of_ann).unwrap();
    let jti = claims.token_id().unwrap().to_owned();
    bench.directory.revoke_token(&act, "t", &jti, Some(now_s as u64 + 10)).unwrap();
    assert_eq!(check(&mut bench, &of_ann), Err(TokenFault::Revoked));
    let pass = Pass::from(&claims);
    assert!(!bench.directory.keyring(&[]).still_holds("t", &pass));
    assert!(!bench.directory.keyring(&[]).still_holds("gone", &pass));
    assert!(check(&mut bench, &of_bob).is_ok());
    bench.directory.revoke_user(&act, "t", &bob.id);
    assert_eq!(check(&mut bench, &of_bob), Err(TokenFault::Revoked));
    bench.now_ms += 1000;
    let mut act = bench.act(Actor::AdminKey);
    let later = bench.directory.mint(&mut act, "t", "d", &bob.id).unwrap().jwt;
    assert!(check(&mut bench, &later).is_ok(), "a token minted afterwards is good");
    bench.directory.sweep(1_700_000_010_000);
    assert!(check(&mut bench, &of_ann).is_ok(), "it would have expired by now");
}

#[test]
fn disabling_a_user_ends_everything_of_theirs() {
    let mut bench = Bench::new();
    bench.tenant("t");
    let ann = bench.user("ann@example.org");
    let mut act = bench.act(Actor::AdminKey);
    let session = bench.directory.open_session(&mut act, &ann.id, Door::Password, "").token;
    let jwt = bench.directory.mint(&mut act, "t", "d", &ann.id).unwrap().jwt;
    let change = UserChange { is_disabled: Some(true), ..UserChange::default() };
    bench.directory.change_user(&act, &ann.id, &change).unwrap();
    let now_ms = bench.now_ms;
    assert_eq!(bench.directory.session(&session, now_ms).err(), Some(DirectoryFault::NoSession));
    let fault = bench.directory.keyring(&[]).verify("t", &jwt, 1_700_000_000);
    assert_eq!(fault, Err(TokenFault::Revoked));
    let login = bench.directory.end_login(&act, "ann@example.org", Some(&ann.id), None);
    assert_eq!(login.unwrap_err(), DirectoryFault::UserDisabled);
    let audit = bench.audit();
    let line = audit.iter().find(|entry| entry.deed == Deed::UserChanged).unwrap();
    assert_eq!(line.before["is_disabled"], Value::Bool(false));
    assert_eq!(line.after["is_disabled"], Value::Bool(true));
    assert_eq!((&line.actor, line.from.as_deref()), (&Actor::AdminKey, Some("127.0.0.1")));
}

#[test]
fn other_services_vouch_for_users() {
    let mut bench = Bench::new();
    let ann = bench.user("ann@example.org");
    let identity = |subject: &str| Identity { issuer: "github".into(), subject: subject.into() };
    let enter = |bench: &mut Bench, subject: &str, email: &str, verified| {
        let mut act = bench.anonymous();
        let profile = Profile { email: email.into(), ..Profile::default() };
        bench.directory.enter_with_identity(&mut act, identity(subject), profile, verified).unwrap()
    };
    // Somebody who only claims the address gets an account of their own, without it.
    let thief = enter(&mut bench, "1", "ann@example.org", false);
    assert!(thief.id != ann.id && thief.email.is_empty());
    let linked = enter(&mut bench, "2", "Ann@example.org", true);
    assert_eq!((linked.id.as_str(), linked.github_id()), (&*ann.id, Some("2")));
    assert_eq!(enter(&mut bench, "2", "else@example.org", true).id, ann.id);
    assert_eq!(enter(&mut bench, "1", "ann@example.org", true).id, thief.id);
    bench.reopen();
    assert_eq!(enter(&mut bench, "2", "", false).id, ann.id);
    // A closed account is not opened by a new door, nor is that door remembered.
    let mut act = bench.act(Actor::AdminKey);
    let close = UserChange { is_disabled: Some(true), ..UserChange::default() };
    bench.directory.change_user(&act, &ann.id, &close).unwrap();
    let profile = Profile { email: "ann@example.org".into(), ..Profile::default() };
    let entered = bench.directory.enter_with_identity(&mut act, identity("3"), profile, true);
    assert_eq!(entered.unwrap_err(), DirectoryFault::UserDisabled);
    assert_eq!(bench.directory.user(&ann.id).unwrap().identities, [identity("2")]);
}

#[test]
fn logins_elsewhere_are_single_use_and_bound_to_their_service() {
    let mut bench = Bench::new();
    let mut act = bench.anonymous();
    let begin = |bench: &mut Bench, act: &mut Act| {
        bench.directory.begin_provider_login(act, "github", Some("/admin".into())).unwrap()
    };
    let (a, b) = (begin(&mut bench, &mut act), begin(&mut bench, &mut act));
    assert!(a.state != b.state && a.challenge != b.challenge && a.nonce != b.nonce);
    let now_ms = bench.now_ms;
    let mut take = |provider: &str, state: &str, at_ms| {
        bench.directory.take_provider_login(provider, state, at_ms)
    };
    let login = take("github", &a.state, now_ms).unwrap();
    let hash = ring::digest::digest(&ring::digest::SHA256, login.verifier.as_bytes());
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    assert_eq!(engine.encode(hash), a.challenge);
    assert_eq!((login.redirect.as_deref(), login.nonce), (Some("/admin"), a.nonce));
    assert_eq!(take("github", &a.state, now_ms), None, "used");
    assert_eq!(take("openid", &b.state, now_ms), None, "of another service");
    assert_eq!(take("github", &b.state, now_ms), None, "and used up by that");
    let c = begin(&mut bench, &mut act);
    assert_eq!(bench.directory.take_provider_login("github", &c.state, now_ms + 180_000), None);
    let code = bench.directory.offer_session(&mut act, "ses_1".into()).unwrap();
    assert_eq!(bench.directory.take_session(&code, now_ms).as_deref(), Ok("ses_1"));
    assert_eq!(bench.directory.take_session(&code, now_ms), Err(DirectoryFault::NoSession));
    let code = bench.directory.offer_session(&mut act, "ses_1".into()).unwrap();
    let late = bench.directory.take_session(&code, now_ms + 30_000);
    assert_eq!(late, Err(DirectoryFault::NoSession));
}
