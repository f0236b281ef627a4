use std::fmt::Debug;
use std::pin::Pin;

use crate::fixture::{CaseContext, FixtureError};

/// What became of a test function that returned: an error is already text, because it may not outlive the case.
pub(crate) type TestResult = Result<(), String>;

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// How the harness calls a test function.
pub enum Body {
    /// A function without arguments.
    Sync(SyncFunction),
    /// An async function without arguments.
    Async(AsyncFunction),
    /// A function whose fixtures are made first.
    WithFixtures(fn(CaseContext) -> BoxFuture<Result<Prepared, FixtureError>>),
}

/// A function without arguments. Most return nothing, and for those rustc has less to do.
#[derive(Clone, Copy)]
pub enum SyncFunction {
    /// It returns nothing.
    ReturnsNothing(fn()),
    /// It returns something else, of which this is made.
    Returns(fn() -> TestResult),
}

impl SyncFunction {
    pub(crate) fn call(self) -> TestResult {
        match self {
            Self::ReturnsNothing(function) => {
                function();
                Ok(())
            }
            Self::Returns(function) => function(),
        }
    }
}

/// The same, async.
#[derive(Clone, Copy)]
pub enum AsyncFunction {
    /// It returns nothing.
    ReturnsNothing(fn() -> BoxFuture<()>),
    /// It returns something else, of which this is made.
    Returns(fn() -> BoxFuture<TestResult>),
}

impl AsyncFunction {
    pub(crate) async fn call(self) -> TestResult {
        match self {
            Self::ReturnsNothing(function) => {
                function().await;
                Ok(())
            }
            Self::Returns(function) => function().await,
        }
    }
}

/// A test function with its arguments, ready to be called.
pub enum Prepared {
    /// A function.
    Sync(Box<dyn FnOnce() -> TestResult>),
    /// An async function.
    Async(BoxFuture<TestResult>),
}

/// What a test function may return: nothing, or a `Result` whose error is shown with `Debug`.
#[diagnostic::on_unimplemented(
    message = "a test function cannot return `{Self}`",
    label = "return nothing, or a `Result<(), E>`",
    note = "`E` must implement `Debug`, as `anyhow::Error` and `Box<dyn std::error::Error>` do"
)]
pub trait IntoTestResult {
    /// The error as text.
    fn into_test_result(self) -> TestResult;
}

impl IntoTestResult for () {
    fn into_test_result(self) -> TestResult {
        Ok(())
    }
}

impl<E: Debug> IntoTestResult for Result<(), E> {
    fn into_test_result(self) -> TestResult {
        self.map_err(|error| format!("{error:?}"))
    }
}
