//! The language of `-m`: marker names joined by `and`, `or`, `not` and parentheses, as in pytest.
//!
//! ```text
//! or      := and ( "or" and )*
//! and     := not ( "and" not )*
//! not     := "not" not | primary
//! primary := NAME | "(" or ")"
//! ```
//!
//! A name is a marker, an alias, or `gpus_needed_N` (also `gpu_N`): true of a case with `gpus = N`. An unknown name
//! is an error, so that a misspelt expression never selects nothing in silence.

use std::fmt;
use std::ops::Range;

use super::vocabulary::{GPU_MARK_PREFIXES, Vocabulary};

/// An expression over markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    Marker(&'static str),
    Gpus(u32),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

/// What an expression is asked about.
pub(crate) trait Marked {
    /// Whether it bears the marker of this canonical name.
    fn bears(&self, marker: &str) -> bool;
    /// How many GPUs it needs.
    fn gpus(&self) -> u32;
}

impl Expression {
    /// Reads an expression whose names must be in `vocabulary`.
    pub(crate) fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Self, ExpressionError> {
        let mut parser = Parser { tokens: tokenize(text)?, next: 0, depth: 0, text, vocabulary };
        if parser.tokens.is_empty() {
            return Err(parser.error("the expression is empty", Some("name a marker: -m unit")));
        }
        let expression = parser.or()?;
        match parser.peek() {
            None => Ok(expression),
            Some(Token::Close) => Err(parser.error("this parenthesis was never opened", None)),
            Some(_) => Err(parser.error("expected `and` or `or` before this", None)),
        }
    }

    pub(crate) fn matches(&self, case: &impl Marked) -> bool {
        match self {
            Self::Marker(name) => case.bears(name),
            Self::Gpus(count) => case.gpus() == *count,
            Self::Not(inner) => !inner.matches(case),
            Self::And(one, other) => one.matches(case) && other.matches(case),
            Self::Or(one, other) => one.matches(case) || other.matches(case),
        }
    }

    /// Whether the expression speaks of a marker anywhere.
    pub(crate) fn names(&self, marker: &str) -> bool {
        match self {
            Self::Marker(name) => *name == marker,
            Self::Gpus(_) => false,
            Self::Not(inner) => inner.names(marker),
            Self::And(one, other) | Self::Or(one, other) => {
                one.names(marker) || other.names(marker)
            }
        }
    }
}

/// Why an expression could not be read; its text shows the place under the expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExpressionError {
    text: String,
    place: Range<usize>,
    message: String,
    help: Option<String>,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: &str| text.chars().count();
        // A line break or tab in the expression would tear the caret from its place.
        let text = self.text.replace(char::is_whitespace, " ");
        let before = width(&self.text[..self.place.start]);
        let carets = "^".repeat(width(&self.text[self.place.clone()]).max(1));
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {text}")?;
        write!(f, "  {}{carets}", " ".repeat(before))?;
        if let Some(help) = &self.help {
            write!(f, " {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ExpressionError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    And,
    Or,
    Not,
    Open,
    Close,
}

fn tokenize(text: &str) -> Result<Vec<(Token<'_>, Range<usize>)>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, character)) = rest.next() {
        let mut end = start + character.len_utf8();
        let token = match character {
            _ if character.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            _ if is_name(character) => {
                while let Some((at, next)) = rest.next_if(|(_, next)| is_name(*next)) {
                    end = at + next.len_utf8();
                }
                match &text[start..end] {
                    "and" => Token::And,
                    "or" => Token::Or,
                    "not" => Token::Not,
                    name => Token::Name(name),
                }
            }
            _ => {
                let help = match character {
                    '&' => Some("write `and`"),
                    '|' => Some("write `or`"),
                    ',' => Some("write `and` for both, `or` for either"),
                    '!' => Some("write `not`"),
                    _ => None,
                };
                return Err(ExpressionError {
                    text: text.into(),
                    place: start..end,
                    message: format!("`{character}` has no meaning in an expression"),
                    help: help.map(Into::into),
                });
            }
        };
        tokens.push((token, start..end));
    }
    Ok(tokens)
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// How deep parentheses and `not` may nest: a bound, so that no input overflows the stack.
const MAX_DEPTH: usize = 200;

struct Parser<'a> {
    tokens: Vec<(Token<'a>, Range<usize>)>,
    next: usize,
    depth: usize,
    text: &'a str,
    vocabulary: &'a Vocabulary,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).map(|(token, _)| *token)
    }

    fn take(&mut self, wanted: Token<'_>) -> bool {
        let found = self.peek() == Some(wanted);
        self.next += usize::from(found);
        found
    }

    /// An error at the next token, or just after the last.
    fn error(&self, message: impl Into<String>, help: Option<&str>) -> ExpressionError {
        let end = self.tokens.last().map_or(0, |(_, place)| place.end);
        ExpressionError {
            text: self.text.into(),
            place: self.tokens.get(self.next).map_or(end..end, |(_, place)| place.clone()),
            message: message.into(),
            help: help.map(Into::into),
        }
    }

    fn or(&mut self) -> Result<Expression, ExpressionError> {
        let mut expression = self.and()?;
        while self.take(Token::Or) {
            expression = Expression::Or(expression.into(), self.and()?.into());
        }
        Ok(expression)
    }

    fn and(&mut self) -> Result<Expression, ExpressionError> {
        let mut expression = self.not()?;
        while self.take(Token::And) {
            expression = Expression::And(expression.into(), self.not()?.into());
        }
        Ok(expression)
    }

    fn not(&mut self) -> Result<Expression, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("the expression is nested too deeply", None));
        }
        let expression = if self.take(Token::Not) {
            Expression::Not(self.not()?.into())
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn primary(&mut self) -> Result<Expression, ExpressionError> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let expression = self.name(name)?;
                self.next += 1;
                Ok(expression)
            }
            Some(Token::Open) => {
                let opened = self.next;
                self.next += 1;
                let inner = self.or()?;
                if self.take(Token::Close) {
                    return Ok(inner);
                }
                if self.peek().is_some() {
                    return Err(self.error("expected `and`, `or` or `)` before this", None));
                }
                self.next = opened;
                Err(self.error("this parenthesis is never closed", Some("add a `)`")))
            }
            Some(Token::Close) => Err(self.error("expected a marker before this", None)),
            Some(_) => Err(self.error("expected a marker, `not` or `(` here", None)),
            None => Err(self.error("expected a marker after this", None)),
        }
    }

    fn name(&self, name: &str) -> Result<Expression, ExpressionError> {
        if let Some(marker) = self.vocabulary.find(name) {
            return Ok(Expression::Marker(marker.name));
        }
        let count = GPU_MARK_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
        if let Some(count) = count.and_then(|count| count.parse().ok()) {
            return Ok(Expression::Gpus(count));
        }
        let help = match self.vocabulary.suggest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "--markers lists those of this binary; a project's own marker must be in a crate that it uses"
                    .into()
            }
        };
        Err(self.error(format!("no marker `{name}`"), Some(&help)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prelude::*;

    struct Bears(&'static [&'static str], u32);

    impl Marked for Bears {
        fn bears(&self, marker: &str) -> bool {
            self.0.contains(&marker)
        }

        fn gpus(&self) -> u32 {
            self.1
        }
    }

    fn parse(text: &str) -> Result<Expression, ExpressionError> {
        Expression::parse(text, &Vocabulary::collect())
    }

    fn matches(text: &str, case: Bears) -> bool {
        parse(text).unwrap().matches(&case)
    }

    #[dynamo_test]
    fn the_readme_expression_selects_what_it_says() {
        let text = "integration and postmerge and vllm and (gpus_needed_1 or gpus_needed_2)";
        assert!(matches(text, Bears(&["integration", "postmerge", "vllm"], 1)));
        assert!(matches(text, Bears(&["integration", "postmerge", "vllm"], 2)));
        assert!(!matches(text, Bears(&["integration", "postmerge", "vllm"], 4)));
        assert!(!matches(text, Bears(&["integration", "postmerge"], 1)));
    }

    #[dynamo_test]
    fn not_binds_tighter_than_and_tighter_than_or() {
        assert_eq!(parse("not unit and e2e or slow"), parse("((not unit) and e2e) or slow"));
        assert_ne!(parse("not (unit and e2e)"), parse("not unit and e2e"));
    }

    #[dynamo_test]
    fn an_alias_means_its_marker() {
        assert_eq!(parse("trtllm or kv_router"), parse("tensorrt_llm or router"));
        assert_eq!(parse("gpu_2"), parse("gpus_needed_2"));
    }

    #[dynamo_test]
    fn an_error_points_at_its_place_and_helps() {
        let shown = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            shown("unit and vlm"),
            "no marker `vlm`\n  unit and vlm\n           ^^^ did you mean `vllm`?"
        );
        assert_eq!(
            shown("(integration and"),
            "expected a marker after this\n  (integration and\n                  ^"
        );
        assert_eq!(shown("(unit"), "this parenthesis is never closed\n  (unit\n  ^ add a `)`");
        assert_eq!(shown(""), "the expression is empty\n  \n  ^ name a marker: -m unit");
        assert_eq!(
            shown("unit && slow"),
            "`&` has no meaning in an expression\n  unit && slow\n       ^ write `and`"
        );
        assert_eq!(
            shown("unit slow"),
            "expected `and` or `or` before this\n  unit slow\n       ^^^^"
        );
        assert_eq!(
            shown("größe"),
            "no marker `größe`\n  größe\n  ^^^^^ --markers lists those of this binary; a project's own marker must be in a crate that it uses"
        );
    }

    #[dynamo_test]
    fn any_input_is_read_or_refused_with_a_place_inside_it() {
        proptest!(|(text in "[a-z_0-9()é ]{0,40}|((not|unit|and|or|\\(|\\)) ){0,30}")| {
            if let Err(error) = parse(&text) {
                prop_assert!(text.get(error.place.clone()).is_some());
                prop_assert!(!error.to_string().is_empty());
            }
        });
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"not ".repeat(100_000)).is_err());
    }

    #[dynamo_test]
    fn a_printed_expression_reads_back_as_itself() {
        fn expression() -> impl Strategy<Value = String> {
            let leaf = prop_oneof![Just("unit"), Just("e2e"), Just("gpu_4"), Just("kvbm")]
                .prop_map(String::from);
            leaf.prop_recursive(5, 40, 2, |inner| {
                prop_oneof![
                    inner.clone().prop_map(|one| format!("not {one}")),
                    (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
                    (inner.clone(), inner).prop_map(|(a, b)| format!("({a} or {b})")),
                ]
            })
        }
        fn printed(expression: &Expression) -> String {
            match expression {
                Expression::Marker(name) => (*name).into(),
                Expression::Gpus(count) => format!("gpus_needed_{count}"),
                Expression::Not(inner) => format!("not ({})", printed(inner)),
                Expression::And(a, b) => format!("({} and {})", printed(a), printed(b)),
                Expression::Or(a, b) => format!("({} or {})", printed(a), printed(b)),
            }
        }
        proptest!(|(text in expression())| {
            let read = parse(&text).unwrap();
            prop_assert_eq!(parse(&printed(&read)).unwrap(), read);
        });
    }
}
