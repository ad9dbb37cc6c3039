//! A decision as one page of A4 that an official can sign: HTML without a script, readable by a
//! screen reader, in black on white.

use std::fmt::Write as _;

use crate::decide::{Case, Decision};
use crate::view::{Line, View};

const STYLE: &str = include_str!("page.css");
/// Rows of the long lists; the rest is in the JSON.
const ROWS_MAX: usize = 6;

/// The page.
#[must_use]
pub fn to_html(case: &Case<'_>, decision: &Decision) -> String {
    let view = View::new(case, decision);
    let mut html =
        String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let title = format!(
        "May I run it? {} on {}",
        case.dossier.product, case.system.name
    );
    put(
        &mut html,
        format_args!(
            "<meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
            escaped(&title)
        ),
    );
    head(&mut html, case, decision, &view);
    rows(&mut html, "Your system", &view.system);
    rows(&mut html, "The four questions", &view.questions);
    rows(
        &mut html,
        "Who can compel, sign and change",
        &folded(&view.compel),
    );
    items(&mut html, "Checked by", &view.checked);
    rows(&mut html, "Why", &view.why);
    if !view.conditions.is_empty() {
        items(&mut html, "Conditions", &view.conditions);
    }
    let better = match view.better.is_empty() {
        true => vec!["Nothing that evidence or you could change.".to_owned()],
        false => view.better.clone(),
    };
    items(&mut html, "What would change it", &better);
    items(
        &mut html,
        "If you go ahead anyway",
        std::slice::from_ref(&view.anyway),
    );
    if !view.contradicted.is_empty() {
        items(&mut html, "Contradicted", &view.contradicted);
    }
    items(&mut html, "Not known, not tested", &view.unknown);
    items(
        &mut html,
        "The vendor's reply",
        std::slice::from_ref(&view.reply),
    );
    items(&mut html, "Notes", &view.warnings);
    html.push_str(
        "<p class=\"sign\">Decided by (office): <span></span> Signature: <span></span> Date: <span></span></p>\n</main>\n</body>\n</html>\n",
    );
    html
}

fn head(html: &mut String, case: &Case<'_>, decision: &Decision, view: &View) {
    put(
        html,
        format_args!(
            "<h1>May I run it?</h1>\n<p class=\"what\">{} on <strong>{}</strong></p>\n<p class=\"decision {}\"><strong>{}</strong></p>\n",
            escaped(&view.product),
            escaped(&case.system.name),
            decision.outcome,
            escaped(&view.headline)
        ),
    );
    put(
        html,
        format_args!(
            "<p class=\"dates\">As of {}, expires {}. Pack {} version {}. {}</p>\n<p class=\"digests\">pack sha256 {}<br>dossier sha256 {}<br>system sha256 {}</p>\n",
            decision.as_of,
            decision.expires,
            escaped(&case.pack.id),
            escaped(&case.pack.version),
            escaped(&view.reader),
            case.pack.sha256,
            case.dossier.sha256,
            case.system.sha256
        ),
    );
}

/// The rows that say something; how many more are open is said in one.
fn folded(lines: &[Line]) -> Vec<Line> {
    let (open, known): (Vec<&Line>, Vec<&Line>) = lines
        .iter()
        .partition(|line| line.text.starts_with("UNKNOWN"));
    let mut rows: Vec<Line> = known.into_iter().take(ROWS_MAX).cloned().collect();
    if !open.is_empty() {
        let names: Vec<&str> = open.iter().map(|line| line.label.as_str()).collect();
        rows.push(Line {
            label: "UNKNOWN".to_owned(),
            text: names.join(", "),
            known: "reasons in the dossier".to_owned(),
        });
    }
    rows
}

fn rows(html: &mut String, title: &str, lines: &[Line]) {
    put(
        html,
        format_args!("<section>\n<h2>{}</h2>\n<dl>\n", escaped(title)),
    );
    for line in lines {
        put(
            html,
            format_args!(
                "<dt>{}</dt><dd>{} <small>{}</small></dd>\n",
                escaped(&line.label),
                escaped(&line.text),
                escaped(&line.known)
            ),
        );
    }
    html.push_str("</dl>\n</section>\n");
}

fn items(html: &mut String, title: &str, texts: &[String]) {
    put(
        html,
        format_args!("<section>\n<h2>{}</h2>\n<ul>\n", escaped(title)),
    );
    for text in texts.iter().take(ROWS_MAX) {
        put(html, format_args!("<li>{}</li>\n", escaped(text)));
    }
    if let Some(more) = texts.len().checked_sub(ROWS_MAX).filter(|more| *more > 0) {
        put(
            html,
            format_args!("<li>and {more} more, in the JSON</li>\n"),
        );
    }
    if texts.is_empty() {
        html.push_str("<li>nothing</li>\n");
    }
    html.push_str("</ul>\n</section>\n");
}

/// Text for HTML. Characters that steer a terminal or turn the direction of writing are shown as
/// what they are, so that nothing on the page reads as something else.
pub(crate) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => {
                put(&mut html, format_args!("[U+{:04X}]", u32::from(letter)));
            }
            letter if letter.is_control() => {
                put(&mut html, format_args!("[U+{:04X}]", u32::from(letter)));
            }
            letter => html.push(letter),
        }
    }
    html
}

fn put(html: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = html.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_text() {
        let hostile = "<script>alert('x')</script>&\u{202e}\u{1b}[2J";
        let html = escaped(hostile);
        assert!(!html.contains('<') && !html.contains('\u{202e}') && !html.contains('\u{1b}'));
        assert!(html.contains("&lt;script&gt;") && html.contains("[U+202E]"));
    }
}
