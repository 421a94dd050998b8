/** How long a connection rests before it is probed. */
import t from 'tap';
import { keepAliveIdleS } from '../../lib/core/keep-alive.js';

t.test('in whole seconds, at least one; the system has its own', async (t) => {
	t.equal(keepAliveIdleS(90_500), 90);
	t.equal(keepAliveIdleS(10), 1);
	t.ok(keepAliveIdleS(undefined) >= 1);
	t.equal(keepAliveIdleS(undefined), keepAliveIdleS(undefined));
});
