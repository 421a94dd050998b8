import t from 'tap';
import { WriteLedger } from '../../../lib/stream/h2/write-ledger.js';

t.test('callers are told in order, when all before them is taken', async (t) => {
	const ledger = new WriteLedger();
	const told: string[] = [];
	const first = ledger.given(10);
	ledger.whenWritten(() => told.push('first'));
	const second = ledger.given(5);
	ledger.whenWritten(() => told.push('second'));
	ledger.whenWritten(() => told.push('nothing more'));
	t.equal(ledger.pendingBytes, 15);
	t.same(told, []);
	first();
	t.same(told, ['first']);
	t.equal(ledger.pendingBytes, 5);
	second();
	t.same(told, ['first', 'second', 'nothing more']);
});

t.test('with nothing on its way, in a moment and not at once', async (t) => {
	const ledger = new WriteLedger();
	let told = 0;
	ledger.whenWritten(() => told++);
	ledger.whenWritten(() => told++);
	t.equal(told, 0);
	await Promise.resolve();
	t.equal(told, 2);
});

t.test('the end: all of it is out, or nobody wants to know', async (t) => {
	const out = new WriteLedger();
	let told = 0;
	const late = out.given(10);
	out.whenWritten(() => told++);
	out.settle();
	t.equal(told, 1);
	late();
	t.equal(out.pendingBytes, 0, 'what Node says later changes nothing');
	const gone = new WriteLedger();
	gone.given(10);
	gone.whenWritten(() => told++);
	gone.clear();
	t.equal(gone.pendingBytes, 0);
	gone.settle();
	t.equal(told, 1);
});
