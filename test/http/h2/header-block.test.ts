import t from 'tap';
import { HeaderBlock } from '../../../lib/http/h2/header-block.js';

t.test('pieces become one block, and it begins anew', async (t) => {
	const block = new HeaderBlock(10);
	const bytes = Buffer.from('abcdef');
	t.ok(block.add(bytes, 0, 2));
	t.ok(block.add(bytes, 3, 6));
	bytes.fill(0);
	t.equal(block.take().toString(), 'abdef', 'copies');
	t.equal(block.take().length, 0);
});

t.test('too many bytes, too many pieces', async (t) => {
	const large = new HeaderBlock(10);
	t.ok(large.add(Buffer.alloc(10), 0, 10));
	t.notOk(large.add(Buffer.alloc(1), 0, 1));
	const many = new HeaderBlock(10);
	let count = 0;
	while (many.add(Buffer.alloc(0), 0, 0)) count++;
	t.equal(count, 64);
});
