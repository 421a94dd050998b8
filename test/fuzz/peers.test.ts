import t from 'tap';
import { fuzzStreams } from './peers-streams.js';

t.test('a few thousand damaged conversations', async (t) => {
	const { streams, protocolErrors, updates } = fuzzStreams(77, 4000);
	t.equal(streams, 4000);
	t.ok(protocolErrors > 200, `${protocolErrors} were refused`);
	t.ok(updates > 2000, `${updates} updates were read before`);
});
