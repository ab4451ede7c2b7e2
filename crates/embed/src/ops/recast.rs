use std::any::Any;

/// The same value under the type `T`, if that is its type.
pub(super) fn recast<A: 'static, T: 'static>(value: A) -> Result<T, A> {
    let mut slot = Some(value);
    let taken = (&mut slot as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take);
    match (taken, slot) {
        (Some(value), _) => Ok(value),
        (None, Some(value)) => Err(value),
        (None, None) => unreachable!("the slot is emptied only by the branch above"),
    }
}
