//! What is asked of a hub.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFError, HFRepository, RepoTypeModel};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::cache::Cache;
use super::listing::{Entry, Listing};
use super::{HubId, HubModel, HubOptions};
use crate::EmbedError;
use crate::error::HubProblem;
use crate::folder::module_paths;

/// The longest that an answer may take, with all attempts.
const ANSWER: Duration = Duration::from_secs(120);

/// A model on a hub.
pub(super) struct Remote {
    id: HubId,
    endpoint: String,
    pub(super) repository: HFRepository<RepoTypeModel>,
    pub(super) retries: usize,
}

impl Remote {
    pub(super) fn of(id: &HubId, options: &HubOptions) -> Result<Self, EmbedError> {
        let mut client = HFClient::builder().cache_enabled(false).retry_max_attempts(options.retries);
        if let Some(endpoint) = &options.endpoint {
            client = client.endpoint(endpoint);
        }
        let named = || options.endpoint.clone().or_else(|| std::env::var("HF_ENDPOINT").ok()).unwrap_or_default();
        let client = client.build().map_err(|error| failure(id, &named(), HubProblem::Address, error))?;
        let repository = client.model(id.owner(), id.name());
        Ok(Self { id: id.clone(), endpoint: client.endpoint().to_owned(), repository, retries: options.retries })
    }

    /// The model, after what the cache lacks was downloaded.
    pub(super) fn fetch(&self, cache: &Cache) -> Result<HubModel, EmbedError> {
        let run = || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| self.failed(HubProblem::Answer, error))?;
            runtime.block_on(self.fetch_whole(cache))
        };
        // A runtime cannot wait within another, which the caller may be in.
        std::thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }

    async fn fetch_whole(&self, cache: &Cache) -> Result<HubModel, EmbedError> {
        let commit = match self.id.commit() {
            Some(commit) => commit.to_owned(),
            None => self.commit().await?,
        };
        let listing = match cache.listing(&commit) {
            Some(listing) => listing,
            None => self.list(cache, &commit).await?,
        };
        for entry in &listing.files {
            self.bring(cache, &commit, entry).await?;
        }
        if self.id.commit().is_none() {
            cache.keep_commit(self.id.revision(), &commit);
        }
        Ok(cache.model(&commit, listing.paths()))
    }

    /// The commit that the revision is at.
    async fn commit(&self) -> Result<String, EmbedError> {
        let info = self.repository.info().revision(self.id.revision()).send();
        let sha = self.answer(info).await?.sha.filter(|sha| super::id::is_commit(sha));
        sha.ok_or_else(|| self.failed(HubProblem::Answer, "an answer without a commit"))
    }

    /// The files that make the model.
    async fn list(&self, cache: &Cache, commit: &str) -> Result<Listing, EmbedError> {
        let all = self.answer(self.tree(commit)).await?;
        if let Some(modules) = all.modules() {
            self.bring(cache, commit, modules).await?;
        }
        let modules = module_paths(&cache.snapshot(commit))?;
        let listing = all.model(&modules);
        if !listing.has_weights(&modules) {
            return Err(EmbedError::HubWeights { model: self.id.to_string(), found: all.other_weights() });
        }
        if !listing.files.iter().all(Entry::is_sound) {
            return Err(self.failed(HubProblem::Answer, "a listing with names that are none"));
        }
        cache.keep_listing(commit, &listing);
        Ok(listing)
    }

    async fn tree(&self, commit: &str) -> Result<Listing, HFError> {
        let mut tree = pin!(self.repository.list_tree().revision(commit).recursive(true).send()?);
        let mut files = Vec::new();
        while let Some(entry) = tree.try_next().await? {
            if let RepoTreeEntry::File { oid, size, path, lfs, .. } = entry {
                files.push(Entry { path, size, git: oid, large: lfs.is_some() });
            }
        }
        Ok(Listing { files })
    }

    async fn answer<T>(&self, asked: impl Future<Output = Result<T, HFError>>) -> Result<T, EmbedError> {
        match timeout(ANSWER, asked).await {
            Ok(answer) => answer.map_err(|error| self.failed_of(error)),
            Err(late) => Err(self.failed(HubProblem::Unreachable, late)),
        }
    }

    pub(super) fn failed_of(&self, error: HFError) -> EmbedError {
        let problem = problem(&error);
        match error {
            // hf-hub takes any 404 for a revision's.
            HFError::RevisionNotFound { context: Some(context), .. }
            | HFError::RepoNotFound { context: Some(context), .. } => {
                let said = context.server_message.unwrap_or_else(|| context.url.clone());
                self.failed(problem, format!("{}, {said}", context.status.as_u16()))
            }
            other => self.failed(problem, other),
        }
    }

    pub(super) fn failed(&self, problem: HubProblem, source: impl Into<Box<dyn Error + Send + Sync>>) -> EmbedError {
        failure(&self.id, &self.endpoint, problem, source)
    }

    pub(super) fn id(&self) -> &HubId {
        &self.id
    }
}

fn failure(
    id: &HubId,
    endpoint: &str,
    problem: HubProblem,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> EmbedError {
    EmbedError::Hub { model: id.to_string(), endpoint: endpoint.to_owned(), problem, source: source.into() }
}

fn problem(error: &HFError) -> HubProblem {
    let of = |status: u16, code: Option<&str>| match (status, code) {
        (_, Some("RevisionNotFound")) => HubProblem::NoRevision,
        // Of a model that is not there a hub says so, or asks who wants to know.
        (401 | 403, _) => HubProblem::Refused,
        (404, _) => HubProblem::NoModel,
        (408 | 429 | 500.., _) => HubProblem::Unreachable,
        _ => HubProblem::Answer,
    };
    match error {
        HFError::AuthRequired { context } | HFError::Forbidden { context } | HFError::Http { context } => {
            of(context.status.as_u16(), context.error_code.as_deref())
        }
        HFError::RepoNotFound { .. } => HubProblem::NoModel,
        HFError::RevisionNotFound { context, .. } => {
            let code = context.as_ref().and_then(|context| context.error_code.as_deref());
            if code == Some("RepoNotFound") { HubProblem::NoModel } else { HubProblem::NoRevision }
        }
        HFError::RateLimited { .. } | HFError::Xet { .. } => HubProblem::Unreachable,
        HFError::Request { source, .. } if source.is_decode() => HubProblem::Answer,
        HFError::Request { .. } => HubProblem::Unreachable,
        _ => HubProblem::Answer,
    }
}
