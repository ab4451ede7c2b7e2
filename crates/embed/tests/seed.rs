//! Fresh weights are drawn from the backend's seed when the encoder is made. Alone in its file: flex has one generator a process.

use burn::tensor::backend::Backend;
use burn_flex::{Flex, FlexDevice};
use embed::{BertConfig, Encoder, StaticConfig, TokenBatch};

#[test]
fn seeded_weights_are_those_at_the_time_of_making() {
    let device = FlexDevice;
    let tokens = TokenBatch::from_rows([[1, 2, 3]]);
    let draw = || {
        Flex::seed(&device, 11);
        let bert = BertConfig::new(10, 8).with_layers(1).with_heads(2).init::<Flex>(&device).unwrap();
        let table = StaticConfig::new(10, 8).init::<Flex>(&device).unwrap();
        // Draws after the making do not change what was made.
        Flex::seed(&device, 12);
        (bert.forward(&tokens, &device).into_data(), table.forward(&tokens, &device).into_data())
    };
    assert_eq!(draw(), draw());
}
