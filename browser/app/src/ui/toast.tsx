import { Toast as Base } from '@base-ui/react/toast'
import type { ReactNode } from 'react'
import { type Fault, faultOf } from '../lib/fault'
import { t } from '../lib/words'
import { cx } from './cx'
import { Icon, type IconName } from './icon'

const manager = Base.createToastManager()
type Kind = 'good' | 'lost' | 'plain'

/** Says in passing what happened; nothing that must not be missed. */
export function say(title: string, options: { kind?: Kind; words?: string; act?: { words: string; run: () => void } } = {}) {
  manager.add({
    title,
    description: options.words,
    type: options.kind ?? 'plain',
    timeout: options.kind === 'lost' ? 9000 : 4500,
    priority: options.kind === 'lost' ? 'high' : 'low',
    actionProps: options.act && { children: options.act.words, onClick: options.act.run },
  })
}

/** What went wrong and the way out, with the id that support finds it by. */
export function faultWords(f: Fault): { title: string; words?: string } {
  if (f.code === 'offline') return { title: t('fault.offline'), words: t('fault.offlineWay') }
  const words = [f.detail, f.requestId && t('fault.id', { id: f.requestId })].filter(Boolean).join(' ')
  return { title: f.message, words: words || undefined }
}

export function sayFault(e: unknown) {
  const w = faultWords(faultOf(e))
  say(w.title, { kind: 'lost', words: w.words })
}

const signs: Record<Kind, IconName | null> = { good: 'check', lost: 'warn', plain: null }

function List() {
  const { toasts } = Base.useToastManager()
  return toasts.map((toast) => {
    const kind = (toast.type ?? 'plain') as Kind
    return (
      <Base.Root
        key={toast.id}
        toast={toast}
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
          <Base.Close aria-label={t('common.close')} className="-m-1.5 grid size-9 shrink-0 place-items-center text-faint">
            <Icon name="cross" className="size-4" />
          </Base.Close>
        </Base.Content>
      </Base.Root>
    )
  })
}

export function Toasts({ children }: { children: ReactNode }) {
  return (
    <Base.Provider toastManager={manager} limit={3}>
      {children}
      <Base.Portal>
        <Base.Viewport className="fixed inset-x-4 top-[max(12px,env(safe-area-inset-top))] z-60 md:start-auto md:end-6 md:top-auto md:bottom-6 md:w-90">
          <List />
        </Base.Viewport>
      </Base.Portal>
    </Base.Provider>
  )
}
