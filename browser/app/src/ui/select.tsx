import { Select as Base } from '@base-ui/react/select'
import { cx } from './cx'
import { boxed } from './field'
import { Icon } from './icon'
import { floating } from './surface'

export interface Choice<V extends string> {
  value: V
  label: string
}

/** One of a few. */
export function Select<V extends string>({ label, hideLabel, value, onChange, choices, className, disabled }: {
  label: string
  hideLabel?: boolean
  value: V | null
  onChange: (v: V) => void
  choices: Choice<V>[]
  className?: string
  disabled?: boolean
}) {
  return (
    <Base.Root items={choices} value={value} disabled={disabled} onValueChange={(v) => v != null && onChange(v as V)}>
      <div className={cx('flex flex-col gap-1.5', className)}>
        <Base.Label className={hideLabel ? 'sr-only' : 'text-sm font-medium'}>{label}</Base.Label>
        <Base.Trigger className={cx(boxed, 'flex items-center justify-between gap-2 text-start')}>
          <Base.Value className="truncate data-placeholder:text-faint" placeholder="–" />
          <Base.Icon render={<Icon name="down" className="size-4 text-faint" />} />
        </Base.Trigger>
      </div>
      <Base.Portal>
        <Base.Positioner className="z-50 outline-none" sideOffset={4} alignItemWithTrigger={false}>
          <Base.Popup className={cx(floating, 'max-h-(--available-height) min-w-(--anchor-width) overflow-y-auto p-1')}>
            <Base.List>
              {choices.map((c) => (
                <Base.Item
                  key={c.value}
                  value={c.value}
                  className="flex min-h-11 items-center gap-2 rounded-sm px-2 text-base outline-none data-highlighted:bg-hover md:min-h-8 md:text-sm"
                >
                  <Base.ItemText className="flex-1">{c.label}</Base.ItemText>
                  <Base.ItemIndicator render={<Icon name="check" className="size-4 text-accent" />} />
                </Base.Item>
              ))}
            </Base.List>
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
