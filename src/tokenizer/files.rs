//! A tokenizer from the files that Hugging Face's programs write: `tokenizer.json` or `vocab.txt`, with what
//! `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` say beside them.

use super::{SPECIAL, Tokenizer, internal, special_tokens, train, vocab_size};
use crate::config::TokenizerConfig;
use crate::error::{Error, Result};
use crate::files;
use ahash::AHashMap;
use serde_json::Value;
use std::path::Path;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::{AddedToken, ModelWrapper, NormalizerWrapper};

/// Classes of `transformers` that split text as BERT does.
const BERT: [&str; 8] = [
    "BertTokenizer",
    "BertTokenizerFast",
    "ElectraTokenizer",
    "ElectraTokenizerFast",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "ConvBertTokenizer",
    "ConvBertTokenizerFast",
];

/// Classes that do what `tokenizer.json` says.
const AS_IT_IS: [&str; 2] = ["PreTrainedTokenizerFast", "TokenizersBackend"];

/// The roles of the special tokens, in the order of [`SPECIAL`].
const ROLES: [&str; 5] = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"];

impl Tokenizer {
    /// The tokenizer in `directory`: its `tokenizer.json`, or else its `vocab.txt`, with the settings that stand beside it.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing or damaged, that lacks a special token, or that asks for another way of
    /// splitting text.
    pub fn load(directory: &Path) -> Result<Self> {
        let settings = Settings::read(directory)?;
        let json = directory.join("tokenizer.json");
        // Whatever bears the name is meant; what cannot be read is an error.
        let mut tokenizer = if json.symlink_metadata().is_ok() {
            let mut tokenizer = Self::from_json(&json)?;
            settings.apply(directory, &mut tokenizer)?;
            tokenizer
        } else {
            let vocabulary = directory.join("vocab.txt");
            if !vocabulary.is_file() {
                return Err(Error::input(directory, missing(directory)));
            }
            if settings.class.as_deref().is_some_and(|class| !BERT.contains(&class)) {
                return Err(settings.other_class(directory));
            }
            Self::from_vocabulary(&vocabulary, &settings.splitting())?
        };
        settings.check_roles(directory)?;
        tokenizer.add(directory, &settings)?;
        tokenizer.max_length = settings.max_length;
        Ok(tokenizer)
    }

    fn from_json(path: &Path) -> Result<Self> {
        let damaged = |error: tokenizers::Error| Error::input(path, error.to_string());
        let bytes = files::read(path, files::SMALL).map_err(|error| Error::input(path, error.to_string()))?;
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(damaged)?;
        // Settings of an earlier use, which `transformers` does not take over either.
        inner.with_padding(None).with_truncation(None).map_err(damaged)?;
        let other = match inner.get_model() {
            ModelWrapper::WordPiece(_) | ModelWrapper::WordLevel(_) => None,
            ModelWrapper::BPE(_) => Some("BPE"),
            ModelWrapper::Unigram(_) => Some("Unigram"),
        };
        if let Some(kind) = other {
            return Err(Error::input(
                path,
                format!("its model is {kind}; expected WordPiece, as BERT and ELECTRA have it"),
            ));
        }
        let special = special_tokens(&inner)
            .map_err(|token| Error::input(path, format!("it has no token {token}; expected BERT's special tokens")))?;
        let vocab_size = vocab_size(&inner);
        Ok(Self { inner, special, vocab_size, max_length: None })
    }

    /// A tokenizer with the vocabulary of a `vocab.txt`, one token a line, and BERT's way of splitting text. The number of a line,
    /// from 0, is the token's id; of a token on two lines the later one counts, as in `transformers`, and a blank line is an id
    /// without a token.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that cannot be read, is none, or lacks a special token.
    pub fn from_vocabulary(path: &Path, config: &TokenizerConfig) -> Result<Self> {
        let text = files::read_text(path, 16 * files::SMALL).map_err(|error| Error::input(path, error.to_string()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut vocabulary = AHashMap::new();
        for (id, token) in text.lines().enumerate().filter(|(_, token)| !token.is_empty()) {
            if token.contains('\t') {
                let message = format!("{token:?} has a tab; expected a token alone on each line, without counts");
                return Err(Error::Input { path: path.to_owned(), line: Some(id + 1), message });
            }
            vocabulary.insert(token.to_owned(), id as u32);
        }
        for token in SPECIAL {
            if !vocabulary.contains_key(token) {
                return Err(Error::input(path, format!("it has no token {token}; expected BERT's special tokens")));
            }
        }
        let model = WordPiece::builder().vocab(vocabulary).unk_token("[UNK]".into()).build().map_err(internal)?;
        Self::new(model, train::normalizer(config))
    }

    /// Adds the tokens that stand in files of their own, whose ids must follow those of the vocabulary.
    fn add(&mut self, directory: &Path, settings: &Settings) -> Result<()> {
        let path = directory.join("added_tokens.json");
        let mut tokens = settings.added.clone();
        if path.is_file() {
            let json = read(&path)?;
            let ids = json
                .as_object()
                .ok_or_else(|| Error::input(&path, "this is no object; expected tokens and their ids"))?;
            for (token, id) in ids {
                let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
                let id = id.ok_or_else(|| Error::input(&path, format!("\"{token}\" has no id; expected a number")))?;
                tokens.push((id, token.clone(), false));
            }
        }
        tokens.sort();
        tokens.dedup_by(|one, other| (one.0, &one.1) == (other.0, &other.1));
        for (id, token, special) in tokens {
            if self.inner.token_to_id(&token) == Some(id) && SPECIAL.contains(&token.as_str()) {
                continue;
            }
            self.inner.add_tokens(&[AddedToken::from(token.clone(), special)]);
            let given = self.inner.token_to_id(&token);
            if given != Some(id) {
                let message = format!(
                    "the added token \"{token}\" has the id {id}, and gets {}; expected ids that follow those of the vocabulary",
                    given.map_or_else(|| "none".into(), |id| id.to_string())
                );
                return Err(Error::input(directory, message));
            }
        }
        for token in &settings.extra {
            if self.inner.token_to_id(token).is_none() {
                let message = format!(
                    "additional_special_tokens has \"{token}\", which the vocabulary lacks; expected it there or in added_tokens.json"
                );
                return Err(Error::input(directory, message));
            }
            self.inner.add_special_tokens(&[AddedToken::from(token.clone(), true)]);
        }
        self.vocab_size = vocab_size(&self.inner);
        Ok(())
    }
}

/// What is missing in `directory`, and what it has that cannot be read.
fn missing(directory: &Path) -> String {
    let has = |name: &str| directory.join(name).is_file();
    if let Some(name) =
        ["spiece.model", "sentencepiece.bpe.model", "tokenizer.model"].into_iter().find(|name| has(name))
    {
        return format!(
            "{name} is a vocabulary of SentencePiece, which is not read; expected tokenizer.json or vocab.txt"
        );
    }
    if has("merges.txt") {
        return "merges.txt is of a vocabulary of byte pairs, which is not read; expected tokenizer.json or vocab.txt"
            .into();
    }
    "there is no tokenizer; expected tokenizer.json or vocab.txt".into()
}

fn read(path: &Path) -> Result<Value> {
    let text = files::read_text(path, files::SMALL).map_err(|error| Error::input(path, error.to_string()))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| Error::input(path, error.to_string()))
}

/// What stands in `tokenizer_config.json` and `special_tokens_map.json`.
struct Settings {
    /// Whether there is a `tokenizer_config.json`, or at least a model whose class has defaults.
    is_bound: bool,
    class: Option<String>,
    lowercase: Option<bool>,
    /// As BERT has it where it is `null` or absent: with lower-casing.
    strip_accents: Option<Option<bool>>,
    chinese_characters: Option<bool>,
    max_length: Option<usize>,
    /// Special tokens by role, where they are named.
    roles: Vec<(&'static str, String)>,
    /// Id, token, and whether it is special.
    added: Vec<(u32, String, bool)>,
    /// Special tokens beyond the roles, which are not cut.
    extra: Vec<String>,
}

impl Settings {
    fn read(directory: &Path) -> Result<Self> {
        let path = directory.join("tokenizer_config.json");
        let json = if path.is_file() { read(&path)? } else { Value::Null };
        let flag = |key: &str| match json.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(Error::input(&path, format!("{key} is {other}; expected true or false"))),
        };
        if let Some(kind) = json["word_tokenizer_type"].as_str().filter(|kind| *kind != "basic") {
            let message = format!("word_tokenizer_type is \"{kind}\", which is not implemented; expected \"basic\"");
            return Err(Error::input(&path, message));
        }
        if flag("do_basic_tokenize")? == Some(false) {
            return Err(Error::input(&path, "do_basic_tokenize is false, which is not implemented; expected true"));
        }
        if json["never_split"].as_array().is_some_and(|words| !words.is_empty()) {
            return Err(Error::input(&path, "never_split is not implemented; expected none"));
        }
        for key in ["truncation_side", "padding_side"] {
            if let Some(side) = json[key].as_str().filter(|side| *side != "right") {
                return Err(Error::input(
                    &path,
                    format!("{key} is \"{side}\", which is not implemented; expected \"right\""),
                ));
            }
        }
        let map = directory.join("special_tokens_map.json");
        let map = if map.is_file() { read(&map)? } else { Value::Null };
        let name = |value: &Value| value.as_str().or_else(|| value["content"].as_str()).map(str::to_owned);
        let roles = ROLES.into_iter().filter_map(|role| Some((role, name(&json[role]).or_else(|| name(&map[role]))?)));
        let extra = [&json, &map].map(|json| json["additional_special_tokens"].as_array().cloned().unwrap_or_default());
        let extra = extra.concat().iter().filter_map(name).collect();
        let added = json["added_tokens_decoder"].as_object().into_iter().flatten().filter_map(|(id, token)| {
            Some((id.parse().ok()?, name(token)?, token["special"].as_bool().unwrap_or(false)))
        });
        // Absent, or a number that stands for no limit.
        let max_length =
            json["model_max_length"].as_f64().filter(|length| (3.0..1e9).contains(length)).map(|n| n as usize);
        Ok(Self {
            is_bound: !json.is_null() || directory.join("config.json").is_file(),
            class: json["tokenizer_class"].as_str().map(str::to_owned),
            lowercase: flag("do_lower_case")?,
            strip_accents: json.get("strip_accents").map(|_| flag("strip_accents")).transpose()?,
            chinese_characters: flag("tokenize_chinese_chars")?,
            max_length,
            roles: roles.collect(),
            added: added.collect(),
            extra,
        })
    }

    /// How a `vocab.txt` splits text: as its class does, BERT's or ELECTRA's.
    fn splitting(&self) -> TokenizerConfig {
        TokenizerConfig {
            lowercase: self.lowercase.unwrap_or(true),
            strip_accents: self.strip_accents.flatten(),
            chinese_characters: self.chinese_characters.unwrap_or(true),
            ..TokenizerConfig::default()
        }
    }

    /// Makes the tokenizer of a `tokenizer.json` split text as the settings say, since their class does.
    fn apply(&self, directory: &Path, tokenizer: &mut Tokenizer) -> Result<()> {
        let is_bert = match self.class.as_deref() {
            Some(class) if AS_IT_IS.contains(&class) => return Ok(()),
            Some(class) if BERT.contains(&class) => true,
            Some(_) => return Err(self.other_class(directory)),
            None => false,
        };
        if tokenizer.has_whole_words() || !self.is_bound {
            return Ok(());
        }
        let path = directory.join("tokenizer.json");
        let Some(NormalizerWrapper::BertNormalizer(found)) = tokenizer.inner.get_normalizer().cloned() else {
            let given = is_bert
                || self.lowercase.is_some()
                || self.strip_accents.is_some()
                || self.chinese_characters.is_some();
            return match given {
                true => Err(Error::input(
                    &path,
                    "its normalizer is not BERT's, as tokenizer_config.json has it; expected BertNormalizer",
                )),
                false => Ok(()),
            };
        };
        // Where a setting is absent, its class has BERT's value, whatever this file says; another value must be named.
        let unsaid = [
            ("do_lower_case", self.lowercase.is_none() && !found.lowercase, "lowercase", found.lowercase),
            (
                "tokenize_chinese_chars",
                self.chinese_characters.is_none() && !found.handle_chinese_chars,
                "handle_chinese_chars",
                false,
            ),
        ];
        if let Some((setting, _, field, value)) = unsaid.into_iter().find(|(_, differs, ..)| *differs) {
            let message = format!(
                "its {field} is {value}, and tokenizer_config.json does not say {setting}, which is true for this class in \
                 transformers; expected it to be said there"
            );
            return Err(Error::input(&path, message));
        }
        let (lowercase, chinese) = (self.lowercase.unwrap_or(true), self.chinese_characters.unwrap_or(true));
        let strip = match self.strip_accents {
            Some(strip) => strip,
            None if found.strip_accents.is_none_or(|strip| strip == lowercase) => found.strip_accents,
            None => {
                let message = "its strip_accents is other than its lowercase, and tokenizer_config.json does not say strip_accents; \
                               expected it to be said there";
                return Err(Error::input(&path, message));
            }
        };
        let normalizer = BertNormalizer::new(found.clean_text, chinese, strip, lowercase);
        tokenizer.inner.with_normalizer(Some(normalizer));
        Ok(())
    }

    /// Checks that the special tokens have BERT's names, which all else here goes by.
    fn check_roles(&self, directory: &Path) -> Result<()> {
        let other = self
            .roles
            .iter()
            .find(|(role, name)| ROLES.iter().position(|r| r == role).map(|at| SPECIAL[at]) != Some(name));
        match other {
            Some((role, name)) => {
                let expected = ROLES.iter().position(|r| r == role).map_or("", |at| SPECIAL[at]);
                Err(Error::input(directory, format!("{role} is \"{name}\"; expected \"{expected}\"")))
            }
            None => Ok(()),
        }
    }

    fn other_class(&self, directory: &Path) -> Error {
        let class = self.class.as_deref().unwrap_or_default();
        let message = format!(
            "tokenizer_class is \"{class}\"; expected BERT's or ELECTRA's way of splitting text, or PreTrainedTokenizerFast"
        );
        Error::input(directory.join("tokenizer_config.json"), message)
    }
}
