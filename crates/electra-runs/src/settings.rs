//! A configuration as a list.

use toml::{Table, Value};

/// The values of all keys, which are dotted: `model.hidden_size`. By table and key, in their order.
pub fn settings(table: &Table) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    collect("", table, &mut all);
    all
}

fn collect<'a>(prefix: &str, table: &'a Table, into: &mut Vec<(String, &'a Value)>) {
    for (key, value) in table {
        match value {
            Value::Table(table) => collect(&format!("{prefix}{key}."), table, into),
            value => into.push((format!("{prefix}{key}"), value)),
        }
    }
}

/// The number of optimizer steps that a run with the configuration `table` has, where it names one.
pub fn planned_steps(table: &Table) -> Option<usize> {
    usize::try_from(table.get("training")?.get("steps")?.as_integer()?).ok()
}

/// The time that a run with the configuration `table` has, where it names one: `30m`.
pub fn time_budget(table: &Table) -> Option<&str> {
    table.get("training")?.get("time_budget")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_dotted() {
        let table: Table = "seed = 1\n[training]\nsteps = 10\n[a.b]\nc = [1, \"x\"]\n".parse().unwrap();
        let all: Vec<String> = settings(&table).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(all, ["a.b.c=[1, \"x\"]", "seed=1", "training.steps=10"]);
        assert_eq!((planned_steps(&table), planned_steps(&Table::new())), (Some(10), None));
    }
}
