//! What a user chose.

use crate::tokenizer::special_name_in;

/// What a user chose, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemSession {
    /// Its line, from 1; of a table the line of its first row.
    pub line: usize,
    /// Whose it is; empty where the file does not say it.
    pub user: String,
    /// The items' ids, the oldest first.
    pub items: Vec<String>,
}

/// A session, or what is wrong with it.
pub(super) fn session(
    line: usize,
    user: String,
    items: Vec<String>,
    least: usize,
) -> std::result::Result<ItemSession, String> {
    if items.len() < least {
        let item = items.concat();
        let is_table = item.contains([',', ';']) || item.contains("::");
        let table =
            if is_table { "; of a table the header names users and items, such as user_id,item_id" } else { "" };
        return Err(format!("the session has only the item \"{item}\"; expected two items at least{table}"));
    }
    match items.iter().find_map(|item| Some((item, special_name_in(item)?))) {
        Some((item, name)) => Err(format!("the item \"{item}\" holds {name}, which is no name for an item")),
        None => Ok(ItemSession { line, user, items }),
    }
}
