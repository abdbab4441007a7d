//! Times in messages: `<t:1700000000:R>`.

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];
/// Discord shows no moment outside of what JavaScript's clock knows (ECMA-262, "Time Values").
const MAX_S: i64 = 8_640_000_000_000;

/// A moment in words, in UTC: the bot does not know where people live.
pub(super) fn words(at_s: i64, form: char, now_s: i64) -> String {
    if !(-MAX_S..=MAX_S).contains(&at_s) {
        return "a time".to_owned();
    }
    let clock = clock(at_s);
    let date = date(at_s);
    match form {
        't' | 'T' => format!("{clock} UTC"),
        'd' | 'D' => date,
        'R' => relative(at_s, now_s),
        'F' => format!("{}, {date} at {clock} UTC", weekday(at_s)),
        _ => format!("{date} at {clock} UTC"),
    }
}

fn clock(at_s: i64) -> String {
    let second = at_s.rem_euclid(DAY_S as i64) as u64;
    format!("{}:{:02}", second / HOUR_S, second % HOUR_S / MINUTE_S)
}

fn weekday(at_s: i64) -> &'static str {
    let day = at_s.div_euclid(DAY_S as i64).rem_euclid(7);
    WEEKDAYS.get(day as usize).copied().unwrap_or("a day")
}

/// Day, month and year of the proleptic Gregorian calendar, by counting 400-year cycles that begin
/// on 1 March (H. Hinnant, "chrono-compatible low-level date algorithms").
fn date(at_s: i64) -> String {
    let days = at_s.div_euclid(DAY_S as i64) + 719_468;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_cycle = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let month_index = if month < 10 { month + 2 } else { month - 10 };
    let year = cycle * 400 + year_of_cycle + i64::from(month >= 10);
    let month = MONTHS
        .get(month_index as usize)
        .copied()
        .unwrap_or("a month");
    format!("{day_of_month} {month} {year}")
}

fn relative(at_s: i64, now_s: i64) -> String {
    let apart = at_s.abs_diff(now_s);
    let units = [
        (365 * DAY_S, "year"),
        (30 * DAY_S, "month"),
        (7 * DAY_S, "week"),
        (DAY_S, "day"),
        (HOUR_S, "hour"),
        (MINUTE_S, "minute"),
        (1, "second"),
    ];
    let Some((length, unit)) = units.into_iter().find(|(length, _)| apart >= *length) else {
        return "now".to_owned();
    };
    let count = apart / length;
    let many = if count == 1 { "" } else { "s" };
    if at_s >= now_s {
        format!("in {count} {unit}{many}")
    } else {
        format!("{count} {unit}{many} ago")
    }
}
