//! The terminal while it belongs to the dashboard: taken, drawn on, listened to and given back exactly once.

use super::state::DashboardState;
use super::view::view;
use electra_burn::learner::STOP;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute};
use signal_hook::consts::SIGINT;
use signal_hook::low_level::emulate_default_handler;
use std::io::{self, Stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Name of the thread that draws.
pub const THREAD: &str = "dashboard";

/// How often the screen is drawn where no key is pressed.
const TICK: Duration = Duration::from_millis(200);

/// Whether the process has its terminal in the dashboard's mode.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The signal that ends the process once the terminal is restored.
static ENDING: AtomicI32 = AtomicI32::new(0);

/// Of a signal that shall end the process at once: whether the dashboard does that, since it has the terminal and must
/// give it back first. May be called by the handler of the signal.
pub fn ends_with_dashboard(signal: i32) -> bool {
    let taken = TAKEN.load(Ordering::SeqCst);
    if taken {
        ENDING.store(signal, Ordering::SeqCst);
    }
    taken
}

/// What the thread that draws, those that train and the dashboard's owner share.
pub struct Shared {
    state: Mutex<DashboardState>,
    /// Present while the terminal is the dashboard's.
    terminal: Mutex<Option<Terminal<CrosstermBackend<Stdout>>>>,
    /// Why the dashboard gave up before the run ended.
    failure: Mutex<Option<String>>,
    failed: AtomicBool,
    signal: Arc<AtomicUsize>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Takes the terminal.
    pub fn open(state: DashboardState, signal: Arc<AtomicUsize>) -> io::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        TAKEN.store(true, Ordering::SeqCst);
        if let Err(error) = enable_raw_mode().and_then(|()| execute!(io::stdout(), EnterAlternateScreen, cursor::Hide))
        {
            restore();
            return Err(error);
        }
        let (state, terminal) = (Mutex::new(state), Mutex::new(Some(terminal)));
        Ok(Self { state, terminal, failure: Mutex::default(), failed: AtomicBool::new(false), signal })
    }

    /// What is shown.
    pub fn state(&self) -> MutexGuard<'_, DashboardState> {
        locked(&self.state)
    }

    /// Whether the dashboard gave up.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Why it did.
    pub fn failure(&self) -> Option<String> {
        locked(&self.failure).clone()
    }

    /// Gives the terminal back; false where that has happened before.
    pub fn close(&self) -> bool {
        // Taken under the lock that drawing holds: nothing is drawn over what follows.
        let mut terminal = locked(&self.terminal);
        let taken = terminal.take();
        let had = taken.is_some();
        // Dropped, it would print an error where the terminal has gone away, and panic where that has nowhere to go.
        std::mem::forget(taken);
        if had {
            restore();
        }
        had
    }

    fn fail(&self, reason: String) {
        if !self.close() {
            return;
        }
        *locked(&self.failure) = Some(format!("the dashboard was closed, since it could not be drawn: {reason}"));
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Draws; false when the terminal is no longer the dashboard's.
    fn draw(&self) -> io::Result<bool> {
        let mut terminal = locked(&self.terminal);
        let Some(terminal) = terminal.as_mut() else { return Ok(false) };
        let stopping = self.signal.load(Ordering::Relaxed) != 0;
        terminal.draw(|frame| view(frame, &self.state(), stopping))?;
        Ok(true)
    }

    /// Draws and listens until the terminal is given back.
    fn run(&self) -> io::Result<()> {
        while self.draw()? {
            if event::poll(TICK)?
                && let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
            {
                self.press(key)?;
            }
            if ENDING.load(Ordering::SeqCst) != 0 {
                self.close();
            }
        }
        Ok(())
    }

    fn press(&self, key: KeyEvent) -> io::Result<()> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => self.stop_or_end(),
            KeyCode::Char('l') if control => {
                if let Some(terminal) = locked(&self.terminal).as_mut() {
                    terminal.clear()?;
                }
            }
            KeyCode::Char('q') => _ = self.stop(),
            KeyCode::Char('?' | 'h') => {
                let mut state = self.state();
                state.help = !state.help;
            }
            KeyCode::Esc => self.state().help = false,
            KeyCode::Left | KeyCode::Up | KeyCode::BackTab => self.state().turn(-1),
            KeyCode::Right | KeyCode::Down | KeyCode::Tab => self.state().turn(1),
            _ => {}
        }
        Ok(())
    }

    /// Stops the run, or ends the process where that was asked for before, as Ctrl-C does without a dashboard.
    fn stop_or_end(&self) {
        if !self.stop() {
            ends_with_dashboard(SIGINT);
        }
    }

    /// Stops the run after the current step; false where that was asked for before.
    fn stop(&self) -> bool {
        self.signal.compare_exchange(0, STOP, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// The thread that draws. The run goes on where it fails.
pub fn spawn(shared: &Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let drawing = shared.clone();
    let work = move || match catch_unwind(AssertUnwindSafe(|| drawing.run())) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => drawing.fail(error.to_string()),
        Err(_) => drawing.fail("a panic of the thread that draws".into()),
    };
    Builder::new().name(THREAD.into()).spawn(work).inspect_err(|_| _ = shared.close())
}

/// What was changed is changed back, as far as the terminal is still there; ends the process where a signal waits for that.
fn restore() {
    _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
    _ = disable_raw_mode();
    TAKEN.store(false, Ordering::SeqCst);
    let ending = ENDING.swap(0, Ordering::SeqCst);
    if ending != 0 {
        _ = emulate_default_handler(ending);
    }
}
