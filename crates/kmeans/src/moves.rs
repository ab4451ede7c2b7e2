//! Rows that changed their label: by themselves, of a task, of a pass.

use crate::parts::Part;

/// A row that changed its label.
#[derive(Clone, Copy)]
pub(crate) struct Move {
    pub(crate) row: u32,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// What rows that moved change of the sums of their labels: few sums, so that it is little.
pub(crate) struct SumChange {
    /// `[clusters, dim]`
    pub(crate) sums: Vec<f64>,
    pub(crate) sizes: Vec<i64>,
    /// Rows that moved.
    pub(crate) count: usize,
}

/// What a kernel says of the rows that changed their label.
pub(crate) enum Moved {
    Rows(Vec<Move>),
    Summed(SumChange),
}

/// Moves of one task's rows.
pub(crate) enum TaskMoves {
    Few(Vec<Move>),
    Many { count: usize },
    Summed(SumChange),
}

impl TaskMoves {
    /// Those among `rows` rows: named while they are few of them.
    pub(crate) fn new(moved: Moved, rows: usize) -> Self {
        match moved {
            Moved::Rows(moves) if moves.len() <= rows / 4 => Self::Few(moves),
            Moved::Rows(moves) => Self::Many { count: moves.len() },
            Moved::Summed(change) => Self::Summed(change),
        }
    }
}

/// Moves of a pass.
pub(crate) enum Moves {
    Few(FewMoves),
    /// So many that it is not worth their memory to say which.
    Many {
        count: usize,
    },
    /// What they change of the sums, a task after another.
    Summed(Vec<SumChange>),
}

/// Moves that are named, task after task.
pub(crate) struct FewMoves {
    tasks: Vec<Vec<Move>>,
    /// Rows of a task.
    task_rows: usize,
}

impl FewMoves {
    pub(crate) fn len(&self) -> usize {
        self.tasks.iter().map(Vec::len).sum()
    }

    /// Rows of a part of the tasks, in their order, each less for the label that it had and more for the one it has.
    pub(crate) fn part(&self, part: Part) -> impl Iterator<Item = (usize, u32, i8)> {
        part.of(self.tasks.len()).flat_map(move |task| {
            let row = move |moved: &Move| task * self.task_rows + moved.row as usize;
            let signed = move |moved: &Move| [(row(moved), moved.from, -1), (row(moved), moved.to, 1)];
            self.tasks[task].iter().flat_map(signed)
        })
    }
}

impl Moves {
    /// Those of all tasks of `task_rows` rows each, in their order.
    pub(crate) fn of_tasks(tasks: Vec<TaskMoves>, task_rows: usize) -> Self {
        let (mut few, mut many, mut changes) = (Vec::new(), 0, Vec::new());
        for task in tasks {
            match task {
                TaskMoves::Few(moves) => few.push(moves),
                TaskMoves::Many { count } => many += count,
                TaskMoves::Summed(change) => changes.push(change),
            }
        }
        if !changes.is_empty() {
            Self::Summed(changes)
        } else if many > 0 {
            Self::Many { count: many + few.iter().map(Vec::len).sum::<usize>() }
        } else {
            Self::Few(FewMoves { tasks: few, task_rows })
        }
    }

    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many { count } => *count,
            Self::Summed(changes) => changes.iter().map(|change| change.count).sum(),
        }
    }
}
