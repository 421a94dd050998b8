import t from 'tap';
import { ServerAdmin, ServerOperation, ServerStates } from '../../lib/shared/server-state.js';

const shape = { capacity: 2, threadCount: 1 };

t.test('seconds down or in maintenance', async (t) => {
	const states = new ServerStates(shape, ServerStates.allocate(shape));
	states.initialize(0, 1, 0, 0, 500);
	states.setOperation(0, ServerOperation.DOWN, 1_000);
	t.equal(states.downSeconds(0), 0, 'told once it serves again');
	states.setAdmin(0, ServerAdmin.FORCED_MAINT, 2_000);
	states.setAdmin(0, 0, 3_000);
	t.equal(states.downSeconds(0), 0, 'out of maintenance and still down');
	states.setOperation(0, ServerOperation.UP, 5_900);
	t.equal(states.downSeconds(0), 2);
	states.setOperation(0, ServerOperation.STOPPING, 9_000);
	t.equal(states.downSeconds(0), 2, 'who stops serves on');
	states.setAdmin(0, ServerAdmin.FORCED_DRAIN, 9_000);
	states.setAdmin(0, ServerAdmin.FORCED_MAINT, 10_000);
	states.setAdmin(0, 0, 13_000);
	t.equal(states.downSeconds(0), 5);
	t.equal(states.downCount(0), 1);
	t.equal(states.downSeconds(1), 0);
});
