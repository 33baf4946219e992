//! Streams all sessions of a list; one page at a time is in memory.

use std::sync::Arc;

use futures::{Stream, stream};
use ledger::{Order, SessionFilter};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::{Error, MAX_PAGE, Page, ScopedService, SeenSession, SessionList};

/// The most concurrent streams of sessions: a quick client keeps a reader of the ledger busy.
pub const STREAMS: usize = 8;

/// The sessions of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRequest {
    /// The filter.
    pub filter: SessionFilter,
    /// The order.
    pub order: Order,
    /// Begin after this session.
    pub after: Option<Uuid>,
    /// The maximum number of sessions; `None`: all.
    pub most: Option<u32>,
}

impl ScopedService {
    /// Streams sessions in pages. Reads the first page at once, each other page when the previous one was sent.
    ///
    /// A session that changes meanwhile appears once, in the state in which its page was read.
    ///
    /// # Errors
    /// The principal may not read, or filters by a plate without `read_plate`, there are [`STREAMS`] streams already, or the first page can't be read. If a later page
    /// can't be read, the stream ends with that error.
    pub async fn every_session(
        &self,
        request: StreamRequest,
    ) -> Result<impl Stream<Item = Result<Vec<SeenSession>, Error>> + Send + use<>, Error> {
        self.listed(&request.filter)?;
        let permit = Arc::clone(&self.service.inner.streams).try_acquire_owned().map_err(|_| {
            Error::Full(format!("the maximum of {STREAMS} streams of sessions is reached; try again later"))
        })?;
        let mut pages = Pages { service: self.clone(), request, is_over: false, _permit: permit };
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

/// The remaining pages of a stream.
struct Pages {
    service: ScopedService,
    request: StreamRequest,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Pages {
    /// Reads the next page; `None` after the last session.
    async fn next(&mut self) -> Result<Option<Vec<SeenSession>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let limit = self.request.most.map_or(MAX_PAGE, |most| most.min(MAX_PAGE));
        loop {
            let page = Page { limit, after: self.request.after, order: self.request.order };
            let SessionList { rows, resume_after, .. } = self.service.sessions(&self.request.filter, page).await?;
            let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            self.request.most = self.request.most.map(|most| most.saturating_sub(count));
            self.is_over = (count < limit && resume_after.is_none()) || self.request.most == Some(0);
            self.request.after = resume_after.or_else(|| rows.last().map(|last| last.id));
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
            if self.is_over {
                return Ok(None);
            }
        }
    }
}
