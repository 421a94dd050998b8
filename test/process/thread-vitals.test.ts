/** What a data thread notes of itself, and the warning of `warn-blocked-traffic-after`. */
import t from 'tap';
import { keepVitals } from '../../lib/process/thread-vitals.js';
import { allocateVitals, readVitals } from '../../lib/shared/vitals.js';
import { waitFor } from '../fixtures/wait-for.js';

/** As a regular expression that backtracks, or a file that is read at once, would. */
function block(ms: number): void {
	const end = performance.now() + ms;
	while (performance.now() < end);
}

t.test('a loop that stood still is told of where it is asked for', async (t) => {
	const warned: number[] = [];
	const counts = { requests: () => 7, droppedLogs: () => 0 };
	const noted = allocateVitals(1);
	keepVitals(noted, 0, counts, 300, (delayMs) => warned.push(delayMs));
	keepVitals(allocateVitals(1), 0, counts, 0, () => t.fail('never, with 0'));
	keepVitals(allocateVitals(1), 0, counts, 3_600_000, () => t.fail('not blocked for as long as that'));
	await waitFor('a warning', () => {
		if (warned.length === 0) block(500);
		return warned.length > 0;
	});
	t.match(readVitals(noted), [{ requests: 7, droppedLogs: 0 }]);
	t.ok((warned[0] ?? 0) > 300, `${warned[0]} ms`);
});
