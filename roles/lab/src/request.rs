//! What `candor lab run` asks for: which product, which plan, where packages lie. The operator's
//! own files are read here, before anything else happens.

use std::fs;
use std::path::{Path, PathBuf};

use lab::{Plan, Product};

/// Product files that come with the program, by name.
const SHIPPED: [(&str, &str); 7] = [
    ("candor", include_str!("../products/candor.toml")),
    (
        "clamav-clamd",
        include_str!("../products/clamav-clamd.toml"),
    ),
    (
        "clamav-clamonacc",
        include_str!("../products/clamav-clamonacc.toml"),
    ),
    (
        "clamav-clamscan",
        include_str!("../products/clamav-clamscan.toml"),
    ),
    (
        "clamav-freshclam",
        include_str!("../products/clamav-freshclam.toml"),
    ),
    ("rkhunter", include_str!("../products/rkhunter.toml")),
    ("yara", include_str!("../products/yara.toml")),
];

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Request {
    /// The product.
    pub(crate) product: Product,
    /// The plan.
    pub(crate) plan: Plan,
    /// Where packages lie that are not installed.
    pub(crate) packages: Option<PathBuf>,
}

/// The options, as `candor` passes them on.
#[derive(Debug, Default)]
struct Options {
    pairs: Option<u32>,
    product: Option<String>,
    plan: Option<String>,
    packages: Option<PathBuf>,
    command: Vec<String>,
}

impl Request {
    /// Reads the options and the files that they name.
    pub(crate) fn read(arguments: &[String]) -> Result<Self, String> {
        let options = Options::read(arguments)?;
        if options.product.is_none() && options.command.is_empty() {
            return Err(
                "there is nothing to run: end with -- COMMAND {documents}, or name a --product"
                    .to_owned(),
            );
        }
        let product = match &options.product {
            Some(named) => product(named)?,
            None => Product::of_command(&options.command).map_err(|mistake| mistake.to_string())?,
        };
        let mut plan = match &options.plan {
            Some(path) => parsed(path, Plan::parse)?,
            None if options.product.is_some() && product.scan.is_none() => {
                Plan::parse("the built-in plan", include_str!("../plans/update.toml"))
                    .map_err(|mistake| mistake.to_string())?
            }
            None => Plan::scan_only().map_err(|mistake| mistake.to_string())?,
        };
        if let Some(pairs) = options.pairs {
            plan.pairs = pairs;
        }
        Ok(Self {
            product,
            plan,
            packages: options.packages,
        })
    }
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                options.command = words.cloned().collect();
                return Ok(options);
            }
            let value = words.next().ok_or(format!("{word} lacks its value"))?;
            match word.as_str() {
                "--pairs" => {
                    let pairs = value
                        .parse()
                        .map_err(|_| format!("{value}: not a number"))?;
                    options.pairs = Some(pairs);
                }
                "--product" => options.product = Some(value.clone()),
                "--plan" => options.plan = Some(value.clone()),
                "--packages" => options.packages = Some(PathBuf::from(value)),
                _ => return Err(format!("{word}: an unknown option")),
            }
        }
        Ok(options)
    }
}

/// A product by the name of its file, or by the name of one that comes with the program.
fn product(named: &str) -> Result<Product, String> {
    let is_path = named.contains('/') || named.ends_with(".toml");
    if is_path {
        return parsed(named, Product::parse);
    }
    let shipped = SHIPPED
        .iter()
        .find(|(name, _)| *name == named || name.strip_prefix("clamav-") == Some(named));
    match shipped {
        Some((name, text)) => Product::parse(name, text).map_err(|mistake| mistake.to_string()),
        None => {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            Err(format!(
                "no product is called {named}: name a file, or one of {}",
                names.join(", ")
            ))
        }
    }
}

fn parsed<T>(
    path: &str,
    parse: impl Fn(&str, &str) -> Result<T, lab::Mistake>,
) -> Result<T, String> {
    let text = fs::read_to_string(Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
    parse(path, &text).map_err(|mistake| mistake.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_that_comes_with_the_program_is_understood() {
        for (name, text) in SHIPPED {
            if let Err(mistake) = Product::parse(name, text) {
                panic!("{mistake}");
            }
            assert!(product(name).is_ok());
        }
        assert!(product("clamscan").is_ok());
        let error = product("nothing").unwrap_err();
        assert!(error.contains("clamav-clamd"), "{error}");
    }

    #[test]
    fn the_plan_for_updates_is_understood() {
        let words = ["--product", "freshclam", "--pairs", "3"].map(str::to_owned);
        let request = Request::read(&words).unwrap();
        assert_eq!(request.plan.pairs, 3);
    }

    #[test]
    fn a_command_without_documents_is_refused() {
        let words = ["--", "true"].map(str::to_owned);
        let error = Request::read(&words).unwrap_err();
        assert!(error.contains("{documents}"), "{error}");
    }
}
