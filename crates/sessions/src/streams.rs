//! Every session of a list, however many there are: a stream of pages, of which one at a time is in memory.

use std::sync::Arc;

use futures::{Stream, stream};
use ledger::{Order, Page, SessionFilter, SessionRow};
use parking::SessionId;
use tokio::sync::OwnedSemaphorePermit;

use super::{Error, MAX_PAGE, Service};

/// The most streams of sessions at once: each keeps a reader of the ledger busy for as long as its client is quick.
pub const STREAMS: usize = 8;

/// Which sessions a stream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which ones.
    pub filter: SessionFilter,
    /// In which order.
    pub order: Order,
    /// Go on after this session.
    pub after: Option<SessionId>,
    /// The most; all without it.
    pub most: Option<u32>,
}

impl Service {
    /// Streams sessions in pages, each read when the one before it was taken; the first one is read already.
    ///
    /// A session that changes meanwhile is there once, as it stood when its page was read.
    ///
    /// # Errors
    /// There are [`STREAMS`] already, or the first page can't be read. When a later one can't, the stream ends with that.
    pub async fn every_session(
        &self,
        wanted: Wanted,
    ) -> Result<impl Stream<Item = Result<Vec<SessionRow>, Error>> + Send + use<>, Error> {
        let turn = Arc::clone(&self.inner.streams).try_acquire_owned().map_err(|_| {
            Error::Full(format!("{STREAMS} streams of sessions are being sent, which is the most; try again later"))
        })?;
        let mut pages = Pages { service: self.clone(), wanted, is_over: false, _turn: turn };
        let first = pages.next().await?;
        let begin = stream::iter(first.map(Ok));
        let rest = stream::unfold(pages, |mut pages| async {
            let page = pages.next().await.transpose()?;
            pages.is_over |= page.is_err();
            Some((page, pages))
        });
        Ok(futures::StreamExt::chain(begin, rest))
    }
}

/// The pages that are still to come.
struct Pages {
    service: Service,
    wanted: Wanted,
    is_over: bool,
    _turn: OwnedSemaphorePermit,
}

impl Pages {
    /// The next page that has sessions.
    async fn next(&mut self) -> Result<Option<Vec<SessionRow>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let limit = self.wanted.most.map_or(MAX_PAGE, |most| most.min(MAX_PAGE));
        let page = Page { limit, after: self.wanted.after, order: self.wanted.order };
        let rows = self.service.sessions(&self.wanted.filter, page).await?;
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        self.wanted.most = self.wanted.most.map(|most| most.saturating_sub(count));
        self.is_over = count < limit || self.wanted.most == Some(0);
        let Some(last) = rows.last() else { return Ok(None) };
        self.wanted.after = Some(last.session.id);
        Ok(Some(rows))
    }
}
