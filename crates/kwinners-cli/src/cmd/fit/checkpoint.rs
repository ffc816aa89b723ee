//! Where a fit can be taken up again.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kwinners::encoder::Model;
use kwinners::file::{self, About, Checkpoint, SavedModel};
use kwinners::train::Position;
use kwinners::{Dataset, Error, Result};

use crate::selection::{Best, accuracy_of};
use crate::status::BadInput;

/// Time between two checkpoints in the course of an epoch.
const WITHIN_EPOCHS: Duration = Duration::from_secs(30);
/// Time between two checkpoints at ends of epochs, which on small data come hundreds a second.
const BETWEEN_EPOCHS: Duration = Duration::from_secs(1);

/// The checkpoint file of one fit.
#[derive(Debug)]
pub(super) struct Checkpoints<'a> {
    path: PathBuf,
    /// Whether the file stays when the fit is done.
    kept: bool,
    data: &'a Dataset,
    /// At the start of the fit. Made when it is first needed: it reads all data.
    first: OnceCell<Checkpoint>,
    /// When the last one was saved on the way, if one was.
    saved: Option<Instant>,
}

impl<'a> Checkpoints<'a> {
    /// In `folder`, which is made if need be, or else beside the model at `out`.
    pub(super) fn new(folder: Option<&Path>, out: &Path, data: &'a Dataset) -> Result<Self> {
        let (path, kept) = match folder {
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
                (folder.join("checkpoint.kw"), true)
            }
            None => {
                let mut path = out.as_os_str().to_owned();
                path.push(".checkpoint");
                (path.into(), false)
            }
        };
        Ok(Self { path, kept, data, first: OnceCell::new(), saved: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The checkpoint of an earlier fit that is there.
    pub(super) fn left_over(&self) -> Option<&Path> {
        self.path.exists().then_some(&self.path)
    }

    /// Saves a checkpoint on the way if the user wants them and it is time for one.
    pub(super) fn look(&mut self, model: &Model, position: Position) -> Result<()> {
        let wait = if position.sample == 0 { BETWEEN_EPOCHS } else { WITHIN_EPOCHS };
        if !self.kept || self.saved.is_some_and(|saved| saved.elapsed() < wait) {
            return Ok(());
        }
        self.save(model, position)?;
        self.saved = Some(Instant::now());
        Ok(())
    }

    pub(super) fn save(&self, model: &Model, position: Position) -> Result<()> {
        let first = || Checkpoint::new(Position::default(), self.data);
        let checkpoint = Checkpoint { position, ..*self.first.get_or_init(first) };
        let about = About::of(self.data);
        let saved = SavedModel { model: model.clone(), about, checkpoint: Some(checkpoint) };
        file::save_model(&self.path, &saved)
    }

    /// Where the best model lies on the way: a run that is taken up again needs it.
    fn best_path(&self) -> PathBuf {
        match self.kept {
            true => self.path.with_file_name("best.kw"),
            false => self.path.with_extension("best"),
        }
    }

    /// Saves the best model so far; its position is the end of its epoch.
    pub(super) fn save_best(&self, best: &Best) -> Result<()> {
        let first = || Checkpoint::new(Position::default(), self.data);
        let position = Position { epoch: best.epoch, sample: 0 };
        let checkpoint = Checkpoint { position, ..*self.first.get_or_init(first) };
        let about = About::of(self.data);
        let saved = SavedModel { model: best.model.clone(), about, checkpoint: Some(checkpoint) };
        file::save_model(&self.best_path(), &saved)
    }

    /// The best model of the run that `model` goes on with, if it was saved.
    pub(super) fn load_best(&self, model: &Model, validation: &Dataset) -> Result<Option<Best>> {
        let path = self.best_path();
        if !path.exists() {
            return Ok(None);
        }
        let SavedModel { model: best, checkpoint, .. } = file::load_model(&path)?;
        let same = difference(&best, model).is_none();
        let Some(checkpoint) = checkpoint.filter(|saved| same && saved.is_of(self.data)) else {
            return Ok(None);
        };
        let accuracy = accuracy_of(&best, validation)?;
        Ok(Some(Best { epoch: checkpoint.position.epoch, accuracy, model: best }))
    }

    /// The model and the position to go on from; `asked` is what the command line describes.
    pub(super) fn load(&self, asked: &Model) -> anyhow::Result<(Model, Position)> {
        let refuse = |reason: String| BadInput(format!("{}: {reason}", self.path.display()));
        if !self.path.exists() {
            return Err(refuse("there is no checkpoint to go on from".to_owned()).into());
        }
        let saved = file::load_model(&self.path)?;
        let Some(checkpoint) = saved.checkpoint else {
            return Err(refuse("this is a finished model, not a checkpoint".to_owned()).into());
        };
        if let Some((key, theirs, ours)) = difference(&saved.model, asked) {
            let reason = format!("saved with other settings: {key} is {theirs} there, {ours} here");
            return Err(refuse(reason).into());
        }
        if !checkpoint.is_of(self.data) {
            let (theirs, ours) = (&saved.about.data, &self.data.name);
            return Err(refuse(match theirs == ours {
                true => format!("{ours} has changed since this was saved"),
                false => format!("saved with other data: {theirs} there, {ours} here"),
            })
            .into());
        }
        Ok((saved.model, checkpoint.position))
    }

    /// The fit is done: removes a checkpoint that nobody asked for.
    pub(super) fn forget(&self) {
        if !self.kept {
            // If it stays it harms nobody: a fit that goes on from it ends in the same model.
            let _ = std::fs::remove_file(&self.path);
            let _ = std::fs::remove_file(self.best_path());
        }
    }
}

/// The first thing in which two models were made differently: its name, and both values.
fn difference(theirs: &Model, ours: &Model) -> Option<(&'static str, String, String)> {
    if theirs.kind() != ours.kind() {
        return Some(("the kind", theirs.kind().to_owned(), ours.kind().to_owned()));
    }
    let pairs = theirs.settings().into_iter().zip(ours.settings());
    let (theirs, ours) = pairs.into_iter().find(|(theirs, ours)| theirs != ours)?;
    Some((theirs.0, theirs.1, ours.1))
}
