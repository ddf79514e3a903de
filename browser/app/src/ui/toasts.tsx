import { Toast as Base } from '@base-ui/react/toast'
import { useEffect } from 'react'
import { t } from '../lib/words'
import { cx } from './cx'
import { Icon, type IconName } from './icon'
import { type Kind, type Said, takeSaid } from './toast'

const manager = Base.createToastManager()

const add = (s: Said) =>
  manager.add({
    title: s.title,
    description: s.words,
    type: s.kind,
    timeout: s.kind === 'lost' ? 9000 : 4500,
    priority: s.kind === 'lost' ? 'high' : 'low',
    actionProps: s.act && { children: s.act.words, onClick: s.act.run },
  })

const signs: Record<Kind, IconName | null> = { good: 'check', lost: 'warn', plain: null }

function List() {
  const { toasts } = Base.useToastManager()
  return toasts.map((toast) => {
    const kind = (toast.type ?? 'plain') as Kind
    return (
      <Base.Root
        key={toast.id}
        toast={toast}
        data-toast
        swipeDirection={['down', 'right', 'left']}
        className="mt-2 rounded-lg border border-line bg-floating shadow-float transition-opacity data-ending-style:opacity-0 data-starting-style:opacity-0"
      >
        <Base.Content className="flex items-start gap-3 p-3.5">
          {signs[kind] && <Icon name={signs[kind]} className={cx('mt-0.5 size-5', kind === 'good' ? 'text-good' : 'text-lost')} />}
          <div className="min-w-0 flex-1">
            <Base.Title className="font-medium" />
            <Base.Description className="mt-0.5 text-sm text-soft wrap-anywhere" />
          </div>
          {toast.actionProps && <Base.Action className="min-h-9 shrink-0 px-1 font-medium text-accent" />}
          <Base.Close aria-label={t('common.close')} className="-m-2.5 grid size-11 shrink-0 place-items-center text-faint md:-m-1.5 md:size-9">
            <Icon name="cross" className="size-4" />
          </Base.Close>
        </Base.Content>
      </Base.Root>
    )
  })
}

/** Shows what is said in passing. */
export function Toasts() {
  return (
    <Base.Provider toastManager={manager} limit={3}>
      <Taker />
      <Base.Portal>
        <Base.Viewport className="fixed inset-x-4 top-[max(12px,env(safe-area-inset-top))] z-60 md:start-auto md:end-6 md:top-auto md:bottom-24 md:w-90">
          <List />
        </Base.Viewport>
      </Base.Portal>
    </Base.Provider>
  )
}

/** Below the provider, whose own effects run after this one's: what waits is added once it listens. */
function Taker() {
  useEffect(() => {
    let end: (() => void) | undefined
    const soon = setTimeout(() => (end = takeSaid(add)))
    return () => {
      clearTimeout(soon)
      end?.()
    }
  }, [])
  return null
}
