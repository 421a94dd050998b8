import t from 'tap';
import { FloodGuard, Offence } from '../../../lib/http/h2/flood-guard.js';

t.test('many at once are enough, a few each second never are', async (t) => {
	const burst = new FloodGuard();
	let count = 0;
	while (!burst.note(Offence.RESET, 1000)) count++;
	t.ok(count >= 100 && count < 1000, `${count} resets at once`);
	const slow = new FloodGuard();
	let told = false;
	for (let second = 0; second < 600; second++) {
		for (let i = 0; i < 20; i++) told ||= slow.note(Offence.RESET, second * 1000);
	}
	t.notOk(told, '20 resets a second for ten minutes');
	const steady = new FloodGuard();
	for (let second = 0; second < 600 && !told; second++) {
		for (let i = 0; i < 100; i++) told ||= steady.note(Offence.RESET, second * 1000);
	}
	t.ok(told, '100 a second are too many');
});
