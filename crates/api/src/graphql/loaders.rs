//! Data loaders: batch the ledger reads of one GraphQL request.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use sessions::{MAX_PAGE, ScopedService};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::errors::refused;
use crate::views::{LotView, SessionView};

/// The loader of sessions; it caches what it loaded.
pub type SessionLoader = DataLoader<Sessions, HashMapCache>;
/// The loader of lots; it caches what it loaded.
pub type LotLoader = DataLoader<Lots, HashMapCache>;

/// Makes both loaders for one request.
pub fn of(service: &ScopedService) -> (SessionLoader, LotLoader) {
    let most = usize::try_from(MAX_PAGE).unwrap_or(usize::MAX);
    let sessions = DataLoader::with_cache(Sessions(service.clone()), tokio::spawn, HashMapCache::default());
    let lots = DataLoader::with_cache(Lots::of(service), tokio::spawn, HashMapCache::default());
    (sessions.max_batch_size(most), lots)
}

/// Sessions by id.
#[derive(Debug)]
pub struct Sessions(ScopedService);

impl Loader<Uuid> for Sessions {
    type Value = SessionView;
    type Error = async_graphql::Error;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, SessionView>, Self::Error> {
        let sessions = self.0.sessions_by_id(keys).await.map_err(refused)?;
        Ok(sessions.iter().map(|session| (session.id, SessionView::from(session))).collect())
    }
}

/// Lots by name. The first request loads all lots; concurrent requests wait for it (single flight).
#[derive(Debug)]
pub struct Lots {
    service: ScopedService,
    all: OnceCell<HashMap<String, LotView>>,
}

impl Lots {
    fn of(service: &ScopedService) -> Self {
        Self { service: service.clone(), all: OnceCell::new() }
    }
}

impl Loader<Arc<str>> for Lots {
    type Value = LotView;
    type Error = async_graphql::Error;

    async fn load(&self, keys: &[Arc<str>]) -> Result<HashMap<Arc<str>, LotView>, Self::Error> {
        let ask = async || {
            let lots = self.service.lots().await.map_err(refused)?;
            Ok::<_, Self::Error>(lots.iter().map(|lot| (lot.id.to_string(), LotView::from(lot))).collect())
        };
        let all: &HashMap<String, LotView> = self.all.get_or_try_init(ask).await?;
        Ok(keys.iter().filter_map(|key| Some((Arc::clone(key), all.get(key.as_ref())?.clone()))).collect())
    }
}
