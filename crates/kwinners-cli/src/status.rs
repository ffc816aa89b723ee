//! From what happened to the exit status: 0 ok, 2 usage or bad input, 1 anything else.

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::output::{Output, PipeClosed};

/// Input or usage that clap can't see is wrong: exit status 2.
#[derive(Debug)]
pub(crate) struct BadInput(pub(crate) String);

impl std::fmt::Display for BadInput {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// Tells the user what went wrong and says it in one number.
pub(crate) fn of(result: anyhow::Result<()>, output: &Output) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // Whoever reads us has read enough: `kwinners ... | head` is no failure.
    if error.is::<PipeClosed>() {
        return ExitCode::SUCCESS;
    }
    output.error(&error);
    ExitCode::from(number(&error))
}

fn number(error: &anyhow::Error) -> u8 {
    if error.is::<BadInput>() {
        return 2;
    }
    match error.downcast_ref::<kwinners::Error>() {
        Some(kwinners::Error::Io { source, .. }) => match source.kind() {
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory => 2,
            _ => 1,
        },
        Some(_) => 2,
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_is_two_and_the_rest_is_one() {
        let io = |kind: ErrorKind| kwinners::Error::io("x".as_ref())(kind.into());
        assert_eq!(number(&anyhow::Error::new(BadInput("no".to_owned()))), 2);
        assert_eq!(number(&kwinners::Error::Unsupported("no".to_owned()).into()), 2);
        assert_eq!(number(&io(ErrorKind::NotFound).into()), 2);
        assert_eq!(number(&io(ErrorKind::StorageFull).into()), 1);
        assert_eq!(number(&anyhow::anyhow!("the server is on fire")), 1);
        let within = anyhow::Error::new(BadInput("no".to_owned())).context("while reading");
        assert_eq!(number(&within), 2);
    }
}
