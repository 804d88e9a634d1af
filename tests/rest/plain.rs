//! What needs no token: health, pages, CORS, unknown paths.

use crate::world::{ALL, Call, World, token};
use levee_core::record::StoreFault;
use serde_json::json;

#[test]
fn health_in_all_its_spellings() {
    let world = World::new();
    let paths = ["/health", "/livez", "/readyz", "/healthz/ready", "/healthz/ping", "/api/v1/ping"];
    for path in paths {
        let answer = world.call(&Call::get(path));
        assert_eq!((answer.status, &*answer.body), (200, "{\"status\":\"ok\"}"), "{path}");
        let head = world.call(&Call::new("HEAD", path));
        assert_eq!((head.status, &*head.body), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), Some("15"));
    }
    world.shared.is_ready.set(false);
    assert_eq!(world.call(&Call::get("/livez")).status, 200);
    let answer = world.call(&Call::get("/readyz"));
    assert_eq!((answer.status, answer.json()), (503, json!({ "status": "unavailable" })));
    world.shared.fault.set(Some(StoreFault::DiskFull));
    let answer = world.call(&Call::get("/health"));
    let body = json!({ "status": "read-only", "reason": "the disk is full" });
    assert_eq!((answer.status, answer.json()), (200, body), "it goes on serving");
    assert_eq!(world.call(&Call::get("/livez")).body, "{\"status\":\"ok\"}");
}

#[test]
fn figures_and_the_home_page() {
    let world = World::new();
    let answer = world.call(&Call::get("/metrics"));
    assert_eq!(answer.body, "levee_ops_sequenced_total 7\n");
    let text = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(text));
    let browser = Call::get("/").header("Accept", "text/html");
    let answer = world.call(&browser.header("X-Forwarded-Proto", "https"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.body.contains("endpoint: \"https://levee.test:4000\""));
    assert!(answer.body.contains("<code>tinylicious</code>"));
    assert!(!answer.body.contains("key of"), "keys are not shown");
    assert!(answer.body.contains("<h2>Examples</h2>"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
}

#[test]
fn what_no_site_has_is_not_found() {
    let world = World::new();
    for path in ["/examples/nothing", "/examples/../health", "/examples/todo/%2e%2e/%2e%2e"] {
        let answer = world.call(&Call::get(path).header("Accept", "text/html"));
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[test]
fn unknown_paths_methods_and_types() {
    let world = World::new();
    let errors = |text: &str| json!({ "errors": { "detail": text } });
    let levee = world.call(&Call::get("/nothing/here"));
    assert_eq!((levee.status, levee.json()), (404, errors("Not Found")));
    let fluid = world.call(&Call::get("/nothing").basic(&token("fluid", "d", ALL)));
    let body = json!({ "code": 404, "message": "Not Found", "canRetry": false, "isFatal": true });
    assert_eq!((fluid.status, fluid.json()), (404, body));
    let answer = world.call(&Call::new("DELETE", "/health"));
    assert_eq!((answer.status, answer.json()), (405, errors("Method Not Allowed")));
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    let answer = world.call(&Call::get("/health").header("Accept", "text/html, image/png;q=0.8"));
    assert_eq!((answer.status, answer.json()), (406, errors("Not Acceptable")));
    for accept in ["*/*", "text/html, application/json;q=0.1", "application/*", ""] {
        let call = Call::get("/health").header("Accept", accept);
        assert_eq!(world.call(&call).status, 200, "{accept}");
    }
}

#[test]
fn every_answer_can_be_read_across_origins() {
    let world = World::new();
    for path in ["/health", "/nothing", "/deltas/fluid/d", "/repos/fluid/commits"] {
        let answer = world.call(&Call::get(path).header("Origin", "http://app"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-expose-headers"), Some(""));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        let answer = world.call(&Call::get(path).restless());
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    let options = Call::new("OPTIONS", "/deltas/fluid/d");
    assert_eq!(world.call(&options).status, 404);
    let preflight = options
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "authorization, x-driver-version");
    let answer = world.call(&preflight);
    assert_eq!((answer.status, &*answer.body), (204, ""));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    assert!(allowed.starts_with("Authorization,Content-Type,Accept,Origin,User-Agent,DNT,"));
    assert!(allowed.ends_with(",X-CSRF-Token,x-driver-version"));
    assert_eq!(answer.header("access-control-max-age"), Some("1728000"));
    let methods = answer.header("access-control-allow-methods");
    assert_eq!(methods, Some("GET,POST,PUT,PATCH,DELETE,OPTIONS"));
}

#[test]
fn request_ids_come_back() {
    let world = World::new();
    let answer = world.call(&Call::get("/health").header("X-Request-Id", "abc"));
    assert_eq!(answer.header("x-request-id"), Some("abc"));
}
