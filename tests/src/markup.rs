//! Generated HTML and text of constructs that readers disagree about.
//!
//! What Candor is known to render otherwise than the peer is left out; `docs/differences.md` lists
//! it.

use crate::signatures::Numbers;

const HTML: &[&str] = &[
    "<b>",
    "</b>",
    "<P CLASS=x>",
    "<a href=\"http://Ex.am/Y?z=1&amp;w\">",
    "</a>",
    "<img src=X.png alt=\"q 'r\">",
    "<br/>",
    "<br />",
    "<!-- c -->",
    "<!--x-->y",
    "<!-- a > b -->",
    "<!DOCTYPE html>",
    "<![CDATA[ x ]]>",
    "<?php echo 1; ?>",
    "<!>",
    "<!->",
    "<script>var a=1; f(\"x\"+'Y') </script>",
    "<SCRIPT type=\"text/javascript\">\n//<!--\nAlert(\"Hi\");\n//-->\n</SCRIPT>",
    "<script>function Foo(A,b){var C=A; this.A=b; return C} /* x */ Foo( 1, 2 );</script>",
    "<script src=y.js></script>",
    "<script>document.write(unescape('%3Cb%3E')+\"Q\\x41\");</script>",
    "<style>a { b: c }</style>",
    "&lt;",
    "&amp;",
    "&nbsp",
    "&copy;",
    "&#65;",
    "&#x42;",
    "&#67",
    "&bogus;",
    "& ",
    "&quot;",
    "&eacute;",
    "&hellip;",
    "&LT;",
    "&frac12;",
    "&#300;",
    " ",
    "  ",
    "\n",
    "\t",
    "\r\n",
    "Text",
    "MiXed",
    "word",
    "<",
    ">",
    "\"",
    "'",
    "=",
    "/",
    "!",
    "-",
    "--",
    "\0",
    "\x01",
    "<p a = \"b\"  c=d e>",
    "<p\na=b\n>",
    "<div id=\"x\"style=\"y\">",
    "<p a=\"b>c\">",
    "<p a='b>c d'>",
    "<p a=\"b > c\">",
    "< b >",
    "<\nb>",
    "</ b>",
    "<td",
    "<textarea> A  b</textarea>",
    "<title>T t</title>",
    "<iframe src=Q></iframe>",
    "%",
    "{",
    "};",
    "<p a=\"&lt;b&#62;\" b=&amp;c>",
    "<a href='A B'>",
    "<a title=z href = Q>",
    "</script>",
    "</style>",
    "<p \"q\">",
    "<a href=\"\">",
    "<p a=>",
    "<p a= >",
    "<p ==b>",
    "<p a=b/>",
];

const TEXT: &[&str] = &[
    "Hello",
    "WORLD",
    "#!/bin/sh\n",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\x0b",
    "\x01",
    "\x1b",
    "\x7f",
    "a = \"B\";",
    "<?php",
    "$x->y();",
    "%41",
    "&lt;",
    "<b>",
    "-- ",
    "/* c */",
    "// d\n",
    "0123",
];

/// An HTML document.
#[must_use]
pub fn html(numbers: &mut Numbers) -> Vec<u8> {
    let mut text = numbers
        .of(&["<html>", "<HTML>", "x <Head> ", "\n<img src=a>", "a<table>"])
        .to_string();
    for _ in 0..=numbers.below(14) {
        text += numbers.of(HTML);
    }
    // The peer renders what ends in the middle of a construct in its own ways.
    text += ">\">'></script></style>end</html>";
    match numbers.below(12) {
        0 => {
            let wide = text.bytes().flat_map(|byte| [byte, 0]);
            [0xff, 0xfe].into_iter().chain(wide).collect()
        }
        _ => text.into_bytes(),
    }
}

/// A text, in one of its encodings, or data that nearly is one.
#[must_use]
pub fn text(numbers: &mut Numbers) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..=numbers.below(20) {
        text += numbers.of(TEXT);
    }
    text += "tail";
    let bytes = text.into_bytes();
    match numbers.below(8) {
        0 => [0xff, 0xfe]
            .into_iter()
            .chain(bytes.iter().flat_map(|byte| [*byte, 0]))
            .collect(),
        1 => bytes.iter().flat_map(|byte| [0, *byte]).collect(),
        2 => with(&bytes, numbers, &[0]),
        3 => with(&bytes, numbers, &[0, 0]),
        4 => with(&bytes, numbers, &[0, 1]),
        5 => with(&bytes, numbers, &[0xe9, 0xc3, 0xa9]),
        6 => with(&bytes, numbers, &[0xff, 0xfe, 3]),
        _ => bytes,
    }
}

fn with(bytes: &[u8], numbers: &mut Numbers, more: &[u8]) -> Vec<u8> {
    let (before, after) = bytes.split_at(numbers.below(bytes.len()));
    [before, more, after].concat()
}
