//! Who may ask: the right host, the right token, no other site's page.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Refusal, Shared};

/// What the page itself may load: its own files, and pictures that it made.
const OWN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                   base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What a report may load: nothing; it runs no script either.
pub(super) const BOXED: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";

const COOKIE: &str = "kwinners-token";

/// What a request must know.
pub(super) struct Guard {
    /// The `Host` headers that are ours; empty where a token says who may come in.
    hosts: Vec<String>,
    token: Option<String>,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, token: Option<String>) -> Self {
        let port = address.port();
        let names = [address.ip().to_string(), "localhost".to_owned(), "[::1]".to_owned()];
        let hosts = names.map(|name| match name.contains("::") && !name.starts_with('[') {
            true => format!("[{name}]:{port}"),
            false => format!("{name}:{port}"),
        });
        let hosts = if address.ip().is_loopback() { hosts.to_vec() } else { Vec::new() };
        Self { hosts, token }
    }

    /// A page elsewhere whose name was made to lead here (DNS rebinding) still says its own name.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if self.hosts.is_empty() || self.hosts.iter().any(|own| own == host) {
            return Ok(());
        }
        let reason = format!("expected host {}, got `{host}`", self.hosts.join(" or "));
        Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, reason))
    }

    /// A page of another site may make a browser ask, but not without saying whose it is.
    fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let own = match (text(header::ORIGIN), text(header::HOST)) {
            (None, _) => true,
            (Some(origin), Some(host)) => {
                origin.split_once("://").is_some_and(|(_, rest)| rest == host)
            }
            (Some(_), None) => false,
        };
        let site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        match own && !site {
            true => Ok(()),
            false => Err(Refusal::new(StatusCode::FORBIDDEN, "a page of another site may not ask")),
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let cookies = text(header::COOKIE).unwrap_or_default().split(';');
        let cookie = cookies.filter_map(|cookie| cookie.trim().split_once('='));
        let cookie = cookie.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value).next();
        if [bearer, cookie].into_iter().flatten().any(|given| is_same(given, token)) {
            return Ok(());
        }
        let reason = "this page wants its token: open the address that `kwinners` has printed, or send \
                      `Authorization: Bearer TOKEN`";
        Err(Refusal::new(StatusCode::UNAUTHORIZED, reason))
    }

    /// The answer to the printed address, whose token moves to a cookie that scripts can't read.
    fn let_in(&self, request: &Request) -> Option<Response> {
        let token = self.token.as_ref().filter(|_| request.uri().path() == "/")?;
        let query = request.uri().query()?;
        let given = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
        if !is_same(given, token) {
            return None;
        }
        let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict");
        let headers = [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, cookie)];
        Some((StatusCode::SEE_OTHER, headers).into_response())
    }
}

/// Compares in a time that does not tell how much of it is right.
fn is_same(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).map(|(a, b)| a ^ b);
    differences.fold(given.len() ^ token.len(), |all, one| all | usize::from(one)) == 0
}

/// Every request comes through here.
pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let guard = &shared.guard;
    let checked = guard.check_host(request.headers()).and_then(|()| match request.method() {
        &Method::GET | &Method::HEAD => Ok(()),
        _ => Guard::check_origin(request.headers()),
    });
    let mut response = match (checked, guard.let_in(&request)) {
        (Err(refusal), _) => refusal.into_response(),
        (Ok(()), Some(response)) => response,
        (Ok(()), None) => match guard.check_token(request.headers()) {
            Ok(()) => next.run(request).await,
            Err(refusal) => refusal.into_response(),
        },
    };
    let headers = response.headers_mut();
    let mut set = |name, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, OWN);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    response
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn tokens_are_the_same_or_not() {
        assert!(is_same("abc", "abc"));
        for other in ["", "ab", "abcd", "abd"] {
            assert!(!is_same(other, "abc"));
        }
    }
}
