import t from 'tap';
import { HttpRefusal } from '../../lib/http/refusal.js';
import { MessageCaptures, type MessageParties } from '../../lib/stream/message-captures.js';

const parties: MessageParties = {
	direction: 'request',
	proxy: 'f',
	proxyId: 2,
	other: undefined,
	otherId: -1,
	server: undefined,
	serverId: -1,
	source: '10.0.0.1:1',
};

t.test('the last of each proxy and direction, and no more of it than a buffer', async (t) => {
	const captures = new MessageCaptures(10, () => 1234);
	const refusal = new HttpRefusal('NAME_INVALID', 3);
	captures.add(parties, Buffer.from('first'), refusal);
	captures.add({ ...parties, direction: 'response', proxy: 'b' }, Buffer.from([0xff, 0]), refusal);
	captures.add(parties, Buffer.from('a message that is long'), refusal);
	t.equal(captures.count, 3);
	t.match(captures.list(), [
		{ bytes: 'a message ', event: 2, wallMs: 1234, position: 3, reason: refusal.reason },
		{ direction: 'response', bytes: '\xff\0', event: 1 },
	]);
	t.same(structuredClone(captures.list()), captures.list(), 'goes from thread to thread');
});
