import { t, tOf } from '../lib/words'
import { Icon } from '../ui/icon'
import { Sheet } from '../ui/sheet'
import type { Presence } from './data'
import { Mark } from './presence'

const states: Presence[] = ['available', 'engaged', 'away', 'logged-off']

/** All states of presence, to choose one. */
export function Choices({ now, open, onClose, onChoose }: { now: Presence; open: boolean; onClose: () => void; onChoose: (p: Presence) => void }) {
  return (
    <Sheet open={open} onClose={onClose} title={t('desk.presence.choose')}>
      <ul className="-mx-5">
        {states.map((s) => (
          <li key={s}>
            <button
              type="button"
              aria-pressed={s === now}
              onClick={() => {
                onChoose(s)
                onClose()
              }}
              className="flex min-h-14 w-full items-center gap-3.5 border-b border-line px-5 text-start text-base font-medium hover:bg-hover focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-accent"
            >
              <Mark state={s} />
              <span className="flex-1">{tOf('desk.presence.is', s)}</span>
              {s === now && <Icon name="check" className="text-accent" />}
            </button>
          </li>
        ))}
      </ul>
    </Sheet>
  )
}
