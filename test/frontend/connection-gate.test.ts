import t from 'tap';
import { ConnectionGate, enterAll, leaveAll } from '../../lib/frontend/connection-gate.js';

t.test('a limit holds over all who share the memory; 0 is none', async (t) => {
	const words = new Int32Array(new SharedArrayBuffer(8));
	const [here, there] = [new ConnectionGate(words, 0, 2), new ConnectionGate(words, 0, 2)];
	t.same([here.tryEnter(), there.tryEnter(), here.tryEnter()], [true, true, false]);
	there.leave();
	t.equal(here.tryEnter(), true);
	t.equal(here.current, 2);
	const open = new ConnectionGate(words, 1, 0);
	for (let i = 0; i < 1000; i++) t.equal(open.tryEnter(), true);
});

t.test('a place at every gate, or at none', async (t) => {
	const gates = [ConnectionGate.local(5), ConnectionGate.local(1), ConnectionGate.local(5)];
	t.equal(enterAll(gates), true);
	t.equal(enterAll(gates), false);
	t.same(
		gates.map((gate) => gate.current),
		[1, 1, 1],
		'what was entered on the way was left again',
	);
	leaveAll(gates);
	t.same(
		gates.map((gate) => gate.current),
		[0, 0, 0],
	);
});
