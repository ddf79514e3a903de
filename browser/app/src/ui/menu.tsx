import { cloneElement, lazy, type ReactElement, Suspense, useState } from 'react'
import type { IconName } from './icon'

export interface MenuAct {
  words: string
  icon?: IconName
  lost?: boolean
  disabled?: boolean
  run: () => void
}
export interface MenuProps {
  /** A button with a label. */
  trigger: ReactElement<Record<string, unknown>>
  acts: (MenuAct | null)[]
}

const load = () => import('./menulist')
const MenuList = lazy(() => load().then((m) => ({ default: m.MenuList })))

/** Acts that need no place of their own. What draws them is loaded when somebody reaches for them. */
export function Menu(menu: MenuProps) {
  const [asked, ask] = useState(false)
  const waiting = cloneElement(menu.trigger, { 'aria-haspopup': 'menu', onPointerEnter: load, onFocus: load, onClick: () => ask(true) })
  return asked ? <Suspense fallback={menu.trigger}><MenuList {...menu} /></Suspense> : waiting
}
