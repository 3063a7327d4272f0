//! What a destination is opened with: its access key, whom TLS trusts there, and the way to it.
//!
//! `http` asks for a client as often as it sends; the same one is given, with its open connections,
//! until the Secret behind it changes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use slswire::signature::Credentials;
use ureq::tls::{parse_pem, Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};
use ureq::Proxy;

use crate::plan::Destination;

/// By the name that pipelines know it by; swapped while requests are made.
pub type Keys = Arc<RwLock<HashMap<String, Access>>>;

const CONNECT_SECONDS: u64 = 5;
const REQUEST_SECONDS: u64 = 30;

/// What one Secret holds.
#[derive(Debug, Clone)]
pub struct Access {
    /// Signs requests.
    pub credentials: Credentials,
    /// Only where the destination asks for it.
    pub trust: Arc<Trust>,
}

impl Access {
    /// Of an access key's two halves.
    #[must_use]
    pub fn new(access_key_id: String, access_key_secret: String, trust: Trust) -> Self {
        let credentials = Credentials { access_key_id, access_key_secret };
        Self { credentials, trust: Arc::new(trust) }
    }
}

/// PEM texts, empty where there is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Authorities that may have signed the service's certificate, and no others.
    pub ca_bundle: String,
    /// Shown to the service, with those between it and its authority.
    pub certificate: String,
    /// Its key.
    pub private_key: String,
}

impl fmt::Debug for Trust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No key may come to a log.
        out.write_str("Trust")
    }
}

/// The client of one destination.
#[derive(Debug)]
pub struct Clients {
    user_agent: String,
    connections: usize,
    made: Mutex<Option<(Arc<Trust>, ureq::Agent)>>,
}

impl Clients {
    /// Clients that keep so many idle connections.
    #[must_use]
    pub fn new(user_agent: &str, connections: usize) -> Self {
        Self { user_agent: user_agent.to_owned(), connections, made: Mutex::default() }
    }

    /// The client for a destination as its Secret is now.
    ///
    /// # Errors
    ///
    /// A sentence: the Secret lacks what the destination asks for, or it is no PEM.
    pub fn client(
        &self,
        destination: &Destination,
        trust: &Arc<Trust>,
    ) -> Result<ureq::Agent, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = &*made {
            if known == trust {
                return Ok(client.clone());
            }
        }
        let client = self.make(destination, trust)?;
        *made = Some((Arc::clone(trust), client.clone()));
        Ok(client)
    }

    fn make(&self, destination: &Destination, trust: &Trust) -> Result<ureq::Agent, String> {
        let mut builder = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(CONNECT_SECONDS)))
            .timeout_global(Some(Duration::from_secs(REQUEST_SECONDS)))
            .max_redirects(0)
            .max_idle_connections_per_host(self.connections)
            .user_agent(&self.user_agent)
            .tls_config(tls(destination, trust)?);
        if let Some(proxy) = &destination.proxy {
            let found = Proxy::new(proxy).map_err(|fault| format!("proxy {proxy}: {fault}"))?;
            builder = builder.proxy(Some(found));
        }
        Ok(builder.build().into())
    }
}

fn tls(destination: &Destination, trust: &Trust) -> Result<TlsConfig, String> {
    let mut builder = TlsConfig::builder();
    let lacks = |what: &str| {
        format!("the Secret of credentials {} has no usable {what}", destination.credentials)
    };
    if destination.tls.ca_bundle {
        let found = certificates(&trust.ca_bundle).ok_or_else(|| lacks("ca.crt"))?;
        builder = builder.root_certs(RootCerts::new_with_certs(&found));
    }
    if destination.tls.client_certificate {
        let chain = certificates(&trust.certificate).ok_or_else(|| lacks("tls.crt"))?;
        let key =
            PrivateKey::from_pem(trust.private_key.as_bytes()).map_err(|_| lacks("tls.key"))?;
        builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(builder.build())
}

/// All of a PEM text; none where there is not one, or something is broken.
fn certificates(text: &str) -> Option<Vec<Certificate<'static>>> {
    let items: Result<Vec<_>, _> = parse_pem(text.as_bytes()).collect();
    let found: Vec<_> = items
        .ok()?
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(each) => Some(each),
            _ => None,
        })
        .collect();
    (!found.is_empty()).then_some(found)
}
