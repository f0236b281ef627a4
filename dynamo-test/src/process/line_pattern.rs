use std::fmt;

/// Which lines of a log are meant: those that contain a text, or that a closure accepts. Both convert into it.
///
/// ```
/// use dynamo_test::LinePattern;
///
/// let by_text: LinePattern = "listening on".into();
/// let by_closure: LinePattern = (|line: &str| line.starts_with("worker ")).into();
/// ```
pub struct LinePattern(Kind);

enum Kind {
    Text(String),
    Accepted(Box<dyn Fn(&str) -> bool + Send>),
}

impl LinePattern {
    pub(super) fn matches(&self, line: &str) -> bool {
        match &self.0 {
            Kind::Text(text) => line.contains(text),
            Kind::Accepted(accepts) => accepts(line),
        }
    }
}

impl From<&str> for LinePattern {
    fn from(text: &str) -> Self {
        Self(Kind::Text(text.into()))
    }
}

impl From<String> for LinePattern {
    fn from(text: String) -> Self {
        Self(Kind::Text(text))
    }
}

impl<F: Fn(&str) -> bool + Send + 'static> From<F> for LinePattern {
    fn from(accepts: F) -> Self {
        Self(Kind::Accepted(Box::new(accepts)))
    }
}

impl fmt::Display for LinePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Text(text) => write!(f, "a line with {text:?}"),
            Kind::Accepted(_) => f.write_str("a line that the closure accepts"),
        }
    }
}
